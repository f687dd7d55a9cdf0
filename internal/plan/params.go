package plan

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// CheckParams says whether raw fits the action: the right fields, nothing unknown.
func CheckParams(a Action, raw json.RawMessage) error {
	v := newParams(a)
	if v == nil {
		if len(raw) > 0 {
			return fmt.Errorf("action %s takes no parameters", a)
		}
		return nil
	}
	if !utf8.Valid(raw) { // it would have another hash once it was packed
		return fmt.Errorf("parameters of action %s: they are not UTF-8", a)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("parameters of action %s: %w", a, err)
	}
	if err := exactNames(a, raw); err != nil {
		return fmt.Errorf("parameters of action %s: %w", a, err)
	}
	if c, ok := v.(interface{ check() error }); ok {
		if err := c.check(); err != nil {
			return fmt.Errorf("parameters of action %s: %w", a, err)
		}
	}
	return nil
}

// exactNames refuses names in another case, which encoding/json takes for the same: there could be two of one, of which a
// person, or Amend, sees only the other.
func exactNames(a Action, raw json.RawMessage) error {
	var given map[string]skipped
	if err := json.Unmarshal(raw, &given); err != nil {
		return err
	}
	known := fieldNames(a)
	for _, name := range sortedKeys(given) {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown field %q, there are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

func (p *ShutdownGuestParams) check() error {
	harsh := []string{"", LeaveGuest, PowerOffGuest, SuspendGuest}
	return errors.Join(oneOf("method", p.Method, "", ShutdownByTools, SuspendGuest, PowerOffGuest), oneOf("onTimeout", p.OnTimeout, harsh...),
		oneOf("noTools", p.NoTools, harsh...), ahead("timeout", p.Timeout))
}

func (p *ShutdownHostParams) check() error {
	return errors.Join(oneOf("via", p.Via, "", ViaVCenter, ViaBMC), oneOf("noRights", p.NoRights, "", LeaveHost, GracefulBMC),
		oneOf("onTimeout", p.OnTimeout, "", LeaveHost, ForceOffBMC), ahead("timeout", p.Timeout))
}

func (p *ApplicationParams) check() error { return ahead("timeout", p.Timeout) }

func (p *MainsParams) check() error { return ahead("steady", p.Steady) }

func (p *LoadOffParams) check() error {
	return errors.Join(ahead("delay", p.Delay), ahead("restartDelay", p.RestartDelay))
}

func oneOf(name, value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s is %q, allowed are %s", name, value, strings.ReplaceAll(strings.Join(allowed[1:], ", "), LeaveGuest, askInFile))
}

func ahead(name string, d Duration) error {
	if d > 0 {
		return nil
	}
	return fmt.Errorf("%s is %s, it must be longer than nothing", name, d)
}

// newParams is where the parameters of an action go; nil where it takes none.
func newParams(a Action) any {
	switch a {
	case RememberRunning, ForgetRunning:
		return new(RememberParams)
	case SuspendSetting, SettleDebt:
		return new(SettingParams)
	case SilenceMonitoring, ResumeMonitoring:
		return new(MonitoringParams)
	case ShutdownGuest:
		return new(ShutdownGuestParams)
	case CheckGuest:
		return new(CheckGuestParams)
	case EnterMaintenance, ExitMaintenance, AwaitHost:
		return new(HostParams)
	case ShutdownHost:
		return new(ShutdownHostParams)
	case PowerOnHost:
		return new(PowerOnHostParams)
	case AwaitDatastores:
		return new(AwaitDatastoresParams)
	case RecordLab:
		return new(RecordParams)
	case StopApplication, StartApplication:
		return new(ApplicationParams)
	case CheckMains:
		return new(MainsParams)
	case OrderLoadOff:
		return new(LoadOffParams)
	}
	if p := newLUNParams(a); p != nil {
		return p
	}
	return newStepParams(a)
}

// askInFile is what people write for LeaveGuest and LeaveHost.
const askInFile = "ask"

// Amend returns raw with the fields of changes replaced.
func Amend(a Action, raw json.RawMessage, changes map[string]any) (json.RawMessage, error) {
	fields := map[string]any{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &fields); err != nil {
			return nil, fmt.Errorf("parameters of action %s: %w", a, err)
		}
	}
	known := fieldNames(a)
	for _, k := range sortedKeys(changes) {
		if !slices.Contains(known, k) { // encoding/json would take another spelling for the same field
			return nil, fmt.Errorf("action %s has no parameter %q, it has %s", a, k, cmp.Or(strings.Join(known, ", "), "none"))
		}
		if fields[k] = changes[k]; changes[k] == askInFile && (a == ShutdownGuest || a == ShutdownHost) {
			fields[k] = LeaveGuest
		}
	}
	b, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("parameters of action %s: %w", a, err)
	}
	return b, CheckParams(a, b)
}

// fieldNames are the names of the parameters of an action, as in JSON.
func fieldNames(a Action) (names []string) {
	v := newParams(a)
	if v == nil {
		return nil
	}
	t := reflect.TypeOf(v).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}
