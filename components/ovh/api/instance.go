package api

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"havre/components/ovh/order"
)

// The shapes below are those of OVH's own description of /cloud/project/{serviceName}/instance, flavor and image (its API console's schema, read 2026-11-21).

// Instance is one of Public Cloud.
type Instance struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"` // our mark
	Region      string            `json:"region"`
	Status      string            `json:"status"` // BUILD, ACTIVE, ERROR, DELETED, … as Nova has them
	Created     time.Time         `json:"created"`
	PlanCode    string            `json:"planCode"` // "c3-64.consumption" while it is billed by the hour
	IPAddresses []InstanceAddress `json:"ipAddresses"`
}

// InstanceAddress is one address of an instance.
type InstanceAddress struct {
	IP      string `json:"ip"`
	Type    string `json:"type"` // public or private
	Version int    `json:"version"`
}

// Address is the public IPv4 address; invalid before it has one.
func (i Instance) Address() netip.Addr {
	for _, a := range i.IPAddresses {
		if ip, err := netip.ParseAddr(a.IP); err == nil && ip.Is4() && a.Type == "public" {
			return ip
		}
	}
	return netip.Addr{}
}

// NewInstance is what an instance is made of. MonthlyBilling is always sent, and false: OVH cannot take it back.
type NewInstance struct {
	Name           string `json:"name"`
	FlavorID       string `json:"flavorId"`
	ImageID        string `json:"imageId"`
	Region         string `json:"region"`
	UserData       string `json:"userData"`
	MonthlyBilling bool   `json:"monthlyBilling"`
}

// Flavor is a size of instances in one region.
type Flavor struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Region    string `json:"region"`
	OSType    string `json:"osType"`
	Available bool   `json:"available"` // in stock
	VCPUs     int    `json:"vcpus"`
	PlanCodes struct {
		Hourly string `json:"hourly"`
	} `json:"planCodes"`
}

// Image is a system for instances in one region.
type Image struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Region string `json:"region"`
	Status string `json:"status"`
	User   string `json:"user"`
}

func cloudProject(project, part string, more ...string) string {
	path := "/cloud/project/" + url.PathEscape(project) + "/" + part
	for _, m := range more {
		path += "/" + url.PathEscape(m)
	}
	return path
}

// Instances reads all instances of a project.
func (c *Client) Instances(ctx context.Context, project string) ([]Instance, error) {
	var out []Instance
	return out, c.get(ctx, cloudProject(project, "instance"), &out)
}

// Instance reads one.
func (c *Client) Instance(ctx context.Context, project, id string) (Instance, error) {
	var out Instance
	return out, c.get(ctx, cloudProject(project, "instance", id), &out)
}

// CreateInstance makes an instance, which costs money from then on. Never repeated: look for its name when the answer did not come.
func (c *Client) CreateInstance(ctx context.Context, project string, n NewInstance) (Instance, error) {
	var out Instance
	return out, c.post(ctx, cloudProject(project, "instance"), n, &out)
}

// DeleteInstance ends an instance and what is on it. OVH counts no hour after it.
func (c *Client) DeleteInstance(ctx context.Context, project, id string) error {
	return c.delete(ctx, cloudProject(project, "instance", id))
}

// Flavors lists the sizes that a region has for Linux.
func (c *Client) Flavors(ctx context.Context, project, region string) ([]Flavor, error) {
	var all, out []Flavor
	if err := c.get(ctx, cloudProject(project, "flavor")+"?region="+url.QueryEscape(region), &all); err != nil {
		return nil, err
	}
	for _, f := range all {
		if f.OSType == "linux" && f.Region == region {
			out = append(out, f)
		}
	}
	return out, nil
}

// Images lists the systems of a region.
func (c *Client) Images(ctx context.Context, project, region string) ([]Image, error) {
	var out []Image
	return out, c.get(ctx, cloudProject(project, "image")+"?osType=linux&region="+url.QueryEscape(region), &out)
}

// HourlyPrice is what an hour of a plan code of Public Cloud costs, net, with the catalogue that says so.
func (c *Client) HourlyPrice(ctx context.Context, code string) (order.Money, *Catalogue, error) {
	account, err := c.Account(ctx)
	if err != nil {
		return 0, nil, err
	}
	cat, err := c.Catalogue(ctx, "cloud", account.Subsidiary)
	if err != nil {
		return 0, nil, err
	}
	for _, a := range cat.Addons {
		if a.PlanCode == code && len(a.Pricings) > 0 {
			return order.Money(a.Pricings[0].Price), cat, nil
		}
	}
	return 0, nil, fmt.Errorf("plan code %q has no price in catalogue cloud; look it up in OVH's price list", code)
}
