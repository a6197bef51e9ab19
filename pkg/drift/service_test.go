package drift

import (
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

func TestWhatADryRunChoseIsNotShownAsDeclared(t *testing.T) {
	service := func(spec map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Service", "spec": spec}}
	}
	silent := service(map[string]any{"type": "NodePort", "ports": []any{map[string]any{"port": int64(80)}}})
	asking := service(map[string]any{"clusterIP": "10.0.0.7", "ports": []any{map[string]any{"port": int64(80), "nodePort": int64(30080)}}})
	live := service(map[string]any{"type": "NodePort", "ports": []any{map[string]any{"port": int64(81), "nodePort": int64(30081)}}})
	used := map[string]any{"port": int64(81), "nodePort": int64(30081)}
	port := fieldpath.MakePathOrDie("spec", "ports", fieldpath.KeyByFields("port", 80, "protocol", "TCP"))
	nodePort := append(port.Copy(), fieldpath.FieldNameElement("nodePort"))
	item := map[string]any{"port": int64(80), "nodePort": int64(30080)}
	tests := []struct {
		name          string
		want          *unstructured.Unstructured
		path          fieldpath.Path
		desired, live any
		// left is the desired value that stays, nil if nothing is found any more.
		left any
	}{
		{"a port that is chosen", silent, nodePort, int64(30080), nil, nil},
		{"a port that git has", asking, nodePort, int64(30080), nil, int64(30080)},
		{"a port in an item", silent, port, item, nil, map[string]any{"port": int64(80)}},
		{"a port that git has, in an item", asking, port, item, nil, item},
		{"a port that is in use", silent, fieldpath.MakePathOrDie("spec", "ports"), []any{used, item}, []any{used}, []any{used, map[string]any{"port": int64(80)}}},
		{"an address that is chosen", silent, fieldpath.MakePathOrDie("spec", "clusterIP"), "10.0.0.9", nil, nil},
		{"an address that git has", asking, fieldpath.MakePathOrDie("spec", "clusterIP"), "10.0.0.7", nil, "10.0.0.7"},
		{"an annotation of that name", silent, fieldpath.MakePathOrDie("metadata", "annotations", "nodePort"), "1", nil, "1"},
		{"another field", silent, fieldpath.MakePathOrDie("spec", "type"), "NodePort", "ClusterIP", "NodePort"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found := declared(test.want, live, []Finding{{Path: test.path, Desired: test.desired, Live: test.live}})
			if len(found) == 0 {
				if test.left != nil {
					t.Errorf("nothing is found, want %v", test.left)
				}
				return
			}
			if !reflect.DeepEqual(found[0].Desired, test.left) {
				t.Errorf("got %v, want %v", found[0].Desired, test.left)
			}
		})
	}
}
