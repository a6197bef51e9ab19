package sealfleet

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// What the controller does if it is not told otherwise.
const (
	defaultRenewal   = 30 * 24 * time.Hour
	defaultKeyPrefix = "sealed-secrets-key"
)

// settings are the options of a controller that decide about its keys.
type settings struct {
	// renewal is after how long it makes a key of its own; 0 is never.
	renewal time.Duration
	// from says where the renewal is set; empty where it is the default.
	from string
	// prefix is how the names of its keys begin.
	prefix string
	// cutoff is the time that its newest key must not be older than, as it is written; empty if there is none.
	cutoff string
}

// renewalFlags set the renewal; the second is the name that it had once. Of several the last one counts.
var renewalFlags = []string{"key-renew-period", "rotate-period"}

// readSettings reads the options as the controller does: environment first, then arguments. It is an error that they
// cannot be told, as those that a shell passes on, or that come from elsewhere.
func readSettings(container corev1.Container) (settings, error) {
	out := settings{renewal: defaultRenewal, prefix: defaultKeyPrefix}
	for _, name := range renewalFlags {
		value, err := fromEnvironment(container, name)
		if err != nil {
			return out, err
		}
		if d, err := time.ParseDuration(value); err == nil {
			out.renewal, out.from = d, "variable "+variable(name)
		}
	}
	arguments := append(append([]string{}, container.Command...), container.Args...)
	for i := 0; i < len(arguments) && arguments[i] != "--"; i++ {
		name, value, together := strings.Cut(arguments[i], "=")
		name, isFlag := strings.CutPrefix(name, "--")
		switch {
		case !isFlag && strings.Contains(arguments[i], "--"+renewalFlags[0]):
			return out, fmt.Errorf("its arguments are those of a shell, %q", arguments[i])
		case !isFlag:
			continue
		case !together && i+1 < len(arguments):
			value = arguments[i+1]
		}
		if strings.Contains(value, "$(") {
			if name == renewalFlags[0] || name == renewalFlags[1] {
				return out, fmt.Errorf("its argument --%s refers to a variable, %s", name, value)
			}
			continue
		}
		switch name {
		case renewalFlags[0], renewalFlags[1]:
			d, err := time.ParseDuration(value)
			if err != nil {
				return out, fmt.Errorf("its argument --%s is %q, which is no duration, so the controller does not start", name, value)
			}
			out.renewal, out.from = d, "argument --"+name
		case "key-prefix":
			out.prefix = value
		case "key-cutoff-time":
			out.cutoff = value
		}
	}
	return out, nil
}

// variable is the environment variable that the controller reads for a flag.
func variable(flag string) string {
	return "SEALED_SECRETS_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func fromEnvironment(container corev1.Container, flag string) (string, error) {
	name := variable(flag)
	for _, env := range container.Env {
		switch {
		case env.Name != name:
		case env.ValueFrom != nil || strings.Contains(env.Value, "$("):
			return "", fmt.Errorf("its variable %s comes from elsewhere", name)
		default:
			return env.Value, nil
		}
	}
	return "", nil
}
