package reconciliations

import (
	"strings"

	"helm.sh/helm/v4/pkg/chart/common"
	chart "helm.sh/helm/v4/pkg/chart/v2"
)

// versions are those of the chart; broken's workload is refused by the API server, so that its upgrade is rolled back.
var versions = []string{"1.0.0", "1.1.0", "2.0.0", broken}

const broken = "2.1.0"

// charts is what source-controller would fetch.
func charts(name, version string) (*chart.Chart, error) {
	return &chart.Chart{
		Metadata: &chart.Metadata{APIVersion: "v2", Name: name, Version: version},
		Values:   map[string]any{"replicas": 1, "color": "blue", "extra": false},
		Templates: []*common.File{
			{Name: "templates/web.yaml", Data: []byte(webTemplate)},
			{Name: "templates/hooks.yaml", Data: []byte(hooksTemplate)},
		},
		Files: []*common.File{{Name: "crds/gadgets.yaml", Data: []byte(strings.ReplaceAll(gadgets, "VERSION", version))}},
	}, nil
}

const gadgets = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gadgets.charts.example.com
  annotations: {example.com/version: "VERSION"}
spec:
  group: charts.example.com
  names: {kind: Gadget, plural: gadgets, singular: gadget, listKind: GadgetList}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`

const webTemplate = `apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Release.Name }}-web"}
spec:
  replicas: {{ if eq .Chart.Version "2.1.0" }}-1{{ else }}{{ .Values.replicas }}{{ end }}
  selector: {matchLabels: {release: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {release: "{{ .Release.Name }}"}}
    spec:
      containers:
      - {name: web, image: "registry.example.com/web:{{ .Chart.Version }}", env: [{name: COLOR, value: "{{ .Values.color }}"}]}
---
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}-web"}
spec: {selector: {release: "{{ .Release.Name }}"}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}-web"}
data: {color: "{{ .Values.color }}", version: "{{ .Chart.Version }}"}
---
apiVersion: charts.example.com/v1
kind: Gadget
metadata: {name: "{{ .Release.Name }}-web"}
spec: {color: "{{ .Values.color }}"}
{{- if .Values.extra }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: "{{ .Release.Name }}-extra"}
spec:
  serviceName: extra
  selector: {matchLabels: {extra: "{{ .Release.Name }}"}}
  template:
    metadata: {labels: {extra: "{{ .Release.Name }}"}}
    spec: {containers: [{name: extra, image: "registry.example.com/extra:{{ .Chart.Version }}"}]}
{{- end }}
`

const hooksTemplate = `apiVersion: batch/v1
kind: Job
metadata:
  name: "{{ .Release.Name }}-migrate"
  annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: "before-hook-creation"}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: migrate, image: "registry.example.com/migrate:{{ .Chart.Version }}"}]}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: "{{ .Release.Name }}-goodbye"
  annotations: {helm.sh/hook: "pre-delete", helm.sh/hook-delete-policy: "hook-succeeded,before-hook-creation"}
data: {bye: bye}
---
apiVersion: v1
kind: Pod
metadata:
  name: "{{ .Release.Name }}-test"
  annotations: {helm.sh/hook: test}
spec: {restartPolicy: Never, containers: [{name: test, image: registry.example.com/test}]}
`
