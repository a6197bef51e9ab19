package sealfleet

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestTheRenewalPeriodIsReadAsTheControllerReadsIt(t *testing.T) {
	const month = 30 * 24 * time.Hour
	env := func(name, value string) []corev1.EnvVar { return []corev1.EnvVar{{Name: name, Value: value}} }
	for name, test := range map[string]struct {
		container corev1.Container
		want      time.Duration
		err       string
	}{
		"nothing":                {want: month},
		"argument":               {container: corev1.Container{Args: []string{"--key-renew-period=0"}}},
		"two arguments":          {container: corev1.Container{Args: []string{"--update-status", "--key-renew-period", "0s", "--key-prefix", "x"}}},
		"its former name":        {container: corev1.Container{Args: []string{"--rotate-period=24h"}}, want: 24 * time.Hour},
		"the last one counts":    {container: corev1.Container{Args: []string{"--key-renew-period=0", "--rotate-period=24h"}}, want: 24 * time.Hour},
		"in the command":         {container: corev1.Container{Command: []string{"controller", "--key-renew-period=0"}}},
		"behind the end":         {container: corev1.Container{Args: []string{"--", "--key-renew-period=0"}}, want: month},
		"a variable":             {container: corev1.Container{Env: env("SEALED_SECRETS_KEY_RENEW_PERIOD", "0")}},
		"argument over variable": {container: corev1.Container{Env: env("SEALED_SECRETS_KEY_RENEW_PERIOD", "0"), Args: []string{"--key-renew-period=1h"}}, want: time.Hour},
		"a variable of nonsense": {container: corev1.Container{Env: env("SEALED_SECRETS_KEY_RENEW_PERIOD", "never")}, want: month},
		"from elsewhere": {container: corev1.Container{Env: []corev1.EnvVar{{Name: "SEALED_SECRETS_KEY_RENEW_PERIOD", ValueFrom: &corev1.EnvVarSource{}}}},
			want: month, err: "comes from elsewhere"},
		"expanded":            {container: corev1.Container{Args: []string{"--key-renew-period=$(PERIOD)"}}, want: month, err: "refers to a variable"},
		"a shell":             {container: corev1.Container{Command: []string{"sh", "-c", "controller --key-renew-period=0"}}, want: month, err: "those of a shell"},
		"nonsense":            {container: corev1.Container{Args: []string{"--key-renew-period=never"}}, want: month, err: "no duration"},
		"the value of a flag": {container: corev1.Container{Args: []string{"--my-cn", "x", "--key-renew-period", "0"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readSettings(test.container)
			if got.renewal != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("got %s and error %v, want %s and %q", got.renewal, err, test.want, test.err)
			}
		})
	}
}
