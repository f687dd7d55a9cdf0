package vsphere

import (
	"context"
	"fmt"
	"strconv"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
)

// HostOption reads an advanced option of a host as text. fault.NotFound: the host has none of that name.
func (c *Client) HostOption(ctx context.Context, ref, name string) (string, error) {
	_, v, err := c.hostOption(ctx, ref, name)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(v), nil
}

func (c *Client) hostOption(ctx context.Context, ref, name string) (manager types.ManagedObjectReference, value any, err error) {
	err = c.read(ctx, "read option "+name+" of host "+ref, func(ctx context.Context) error {
		got, err := c.retrieve(ctx, wants{"HostSystem": {"configManager.advancedOption"}}, object(hostRef(ref)))
		if err != nil {
			return err
		}
		list := allOf[mo.HostSystem](got)
		if len(list) == 0 || list[0].ConfigManager.AdvancedOption == nil {
			return fault.As(fault.NotFound, fmt.Errorf("host %s is not there (any more), or shows no options", ref))
		}
		manager = *list[0].ConfigManager.AdvancedOption
		res, err := methods.QueryOptions(ctx, c.vim, &types.QueryOptions{This: manager, Name: name})
		if err != nil {
			if _, none := faultOf(err).(*types.InvalidName); none {
				return fault.As(fault.NotFound, fmt.Errorf("host %s has no option %s", ref, name))
			}
			return err
		}
		for _, o := range res.Returnval {
			if v := o.GetOptionValue(); v.Key == name {
				value = v.Value
				return nil
			}
		}
		return fault.As(fault.NotFound, fmt.Errorf("host %s has no option %s", ref, name))
	})
	return manager, value, err
}

// SetHostOption sets it. The text is read as what the option is: a number, true or false, or text. fault.Invalid: it is none.
func (c *Client) SetHostOption(ctx context.Context, ref, name, text string) error {
	manager, was, err := c.hostOption(ctx, ref, name)
	if err != nil {
		return err
	}
	value, err := like(was, text)
	if err != nil {
		return fault.As(fault.Invalid, fmt.Errorf("option %s of host %s is %v: %q is nothing of that kind", name, ref, was, text))
	}
	_, err = methods.UpdateOptions(ctx, c.vim, &types.UpdateOptions{This: manager,
		ChangedValue: []types.BaseOptionValue{&types.OptionValue{Key: name, Value: value}}})
	return c.explain("set option "+name+" of host "+ref, err)
}

// like reads text as a value of the same type. A host refuses a number of another size.
func like(was any, text string) (any, error) {
	switch was.(type) {
	case bool:
		switch text {
		case "1":
			return true, nil
		case "0":
			return false, nil
		}
		return strconv.ParseBool(text)
	case int32:
		n, err := strconv.ParseInt(number(text), 10, 32)
		return int32(n), err
	case int64:
		n, err := strconv.ParseInt(number(text), 10, 64)
		return n, err
	case float32, float64:
		return strconv.ParseFloat(text, 64)
	}
	return text, nil
}

// number: many options that are numbers mean yes and no.
func number(text string) string {
	switch text {
	case "true":
		return "1"
	case "false":
		return "0"
	}
	return text
}

// SameOption tells whether an option that reads so already has the wanted value.
func SameOption(is, want string) bool { return is == want || number(is) == number(want) }
