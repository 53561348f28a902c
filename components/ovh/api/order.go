package api

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"havre/components/ovh/order"
)

// Amount is OVH's order.Price.
type Amount struct {
	Currency string      `json:"currencyCode"`
	Value    order.Money `json:"value"`
}

// Account is whom the credential belongs to.
type Account struct {
	Name       string `json:"nichandle"`     // "ab1234-ovh"
	Subsidiary string `json:"ovhSubsidiary"` // "FR"; carts and catalogues are one subsidiary's
}

// Account reads the account once.
func (c *Client) Account(ctx context.Context) (Account, error) {
	c.cacheMu.Lock()
	known := c.account
	c.cacheMu.Unlock()
	if known != nil {
		return *known, nil
	}
	var a Account
	if err := c.get(ctx, "/me", &a); err != nil {
		return a, err
	}
	c.cacheMu.Lock()
	c.account = &a
	c.cacheMu.Unlock()
	return a, nil
}

// Catalogue is a public catalogue, cut down to what prices need.
type Catalogue struct {
	Locale struct {
		Currency string      `json:"currencyCode"`
		TaxRate  order.Money `json:"taxRate"` // per cent
	} `json:"locale"`
	Plans  []Plan `json:"plans"`
	Addons []Plan `json:"addons"`
}

// Plan is one line of a catalogue: a server or an addon.
type Plan struct {
	PlanCode       string `json:"planCode"`
	InvoiceName    string `json:"invoiceName"`
	Configurations []struct {
		Name      string   `json:"name"`
		Mandatory bool     `json:"isMandatory"`
		Values    []string `json:"values"`
	} `json:"configurations"`
	Families []Family  `json:"addonFamilies"`
	Pricings []Pricing `json:"pricings"`
}

// Family is a group of addons of which some plans need one.
type Family struct {
	Name      string   `json:"name"`
	Addons    []string `json:"addons"`
	Default   string   `json:"default"`
	Mandatory bool     `json:"mandatory"`
	Exclusive bool     `json:"exclusive"`
}

// Pricing is one price of a plan. Price counts 1e-8 of the currency.
type Pricing struct {
	Capacities []string `json:"capacities"`
	Mode       string   `json:"mode"`
	Price      int64    `json:"price"`
	Interval   int      `json:"interval"` // months, for renewals
	Promotions []struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Start       string `json:"startDate"`
		End         string `json:"endDate"`
		Discount    struct {
			Value int64 `json:"value"`
		} `json:"discount"`
	} `json:"promotions"`
}

// Catalogue reads a catalogue once: they have megabytes.
func (c *Client) Catalogue(ctx context.Context, product, subsidiary string) (*Catalogue, error) {
	c.cacheMu.Lock()
	defer c.cacheMu.Unlock()
	if known := c.catalogues[product]; known != nil {
		return known, nil
	}
	var cat Catalogue
	if err := c.get(ctx, "/order/catalog/public/"+product+"?ovhSubsidiary="+subsidiary, &cat); err != nil {
		return nil, err
	}
	c.catalogues[product] = &cat
	return &cat, nil
}

// FindPlan looks for a plan in the catalogues named, in that order, and says which one holds it.
func (c *Client) FindPlan(ctx context.Context, planCode string, products []string) (string, *Catalogue, *Plan, error) {
	account, err := c.Account(ctx)
	if err != nil {
		return "", nil, nil, err
	}
	for _, product := range products {
		cat, err := c.Catalogue(ctx, product, account.Subsidiary)
		if err != nil {
			return "", nil, nil, err
		}
		for i := range cat.Plans {
			if cat.Plans[i].PlanCode == planCode {
				return product, cat, &cat.Plans[i], nil
			}
		}
	}
	return "", nil, nil, fmt.Errorf("plan %q is in none of the catalogues %s; look its code up in OVH's price list", planCode, strings.Join(products, ", "))
}

// Cart is a shopping cart. ReadOnly means that it was checked out.
type Cart struct {
	ID          string    `json:"cartId"`
	Description string    `json:"description"`
	Expire      time.Time `json:"expire"`
	ReadOnly    bool      `json:"readOnly"`
}

// NewCart makes a cart and assigns it to the account, which makes it visible to other runs. A cart whose making was not answered stays unassigned, so it is
// nobody's and expires: making one may be repeated.
func (c *Client) NewCart(ctx context.Context, subsidiary, description string, expire time.Time) (Cart, error) {
	var cart Cart
	in := map[string]any{"ovhSubsidiary": subsidiary, "description": description, "expire": expire.UTC().Format(time.RFC3339)}
	if err := c.postAgain(ctx, "/order/cart", in, &cart); err != nil {
		return cart, err
	}
	err := c.postAgain(ctx, "/order/cart/"+cart.ID+"/assign", nil, nil)
	if IsConflict(err) {
		err = nil // assigned by an attempt whose answer was lost
	}
	return cart, err
}

// Carts lists the account's carts, those of one description or, with "", all.
func (c *Client) Carts(ctx context.Context, description string) ([]string, error) {
	path := "/order/cart"
	if description != "" {
		path += "?description=" + url.QueryEscape(description)
	}
	var ids []string
	return ids, c.get(ctx, path, &ids)
}

// Cart reads one cart.
func (c *Client) Cart(ctx context.Context, id string) (Cart, error) {
	var cart Cart
	return cart, c.get(ctx, "/order/cart/"+id, &cart)
}

// DeleteCart removes a cart; one that is not there any more is fine.
func (c *Client) DeleteCart(ctx context.Context, id string) error {
	return c.delete(ctx, "/order/cart/"+id)
}

// CartPlan is the plan code of a cart's first item; empty for an empty cart.
func (c *Client) CartPlan(ctx context.Context, id string) (string, error) {
	var items []int64
	if err := c.get(ctx, "/order/cart/"+id+"/item", &items); err != nil || len(items) == 0 {
		return "", err
	}
	var item struct {
		Settings struct {
			PlanCode string `json:"planCode"`
		} `json:"settings"`
	}
	err := c.get(ctx, fmt.Sprintf("/order/cart/%s/item/%d", id, slices.Min(items)), &item)
	return item.Settings.PlanCode, err
}

// AddItem puts a plan into a cart.
func (c *Client) AddItem(ctx context.Context, cart, product, plan, duration, mode string) (int64, error) {
	var item struct {
		ID int64 `json:"itemId"`
	}
	in := map[string]any{"planCode": plan, "duration": duration, "pricingMode": mode, "quantity": 1}
	return item.ID, c.post(ctx, "/order/cart/"+cart+"/"+product, in, &item)
}

// AddOption puts an addon under an item.
func (c *Client) AddOption(ctx context.Context, cart, product string, item int64, plan, duration, mode string) error {
	in := map[string]any{"itemId": item, "planCode": plan, "duration": duration, "pricingMode": mode, "quantity": 1}
	return c.post(ctx, "/order/cart/"+cart+"/"+product+"/options", in, nil)
}

// Required is a configuration that an item needs.
type Required struct {
	Label    string   `json:"label"`
	Required bool     `json:"required"`
	Allowed  []string `json:"allowedValues"`
}

// RequiredConfiguration lists what an item needs.
func (c *Client) RequiredConfiguration(ctx context.Context, cart string, item int64) ([]Required, error) {
	var out []Required
	return out, c.get(ctx, fmt.Sprintf("/order/cart/%s/item/%d/requiredConfiguration", cart, item), &out)
}

// Configure sets one label of an item.
func (c *Client) Configure(ctx context.Context, cart string, item int64, label, value string) error {
	return c.post(ctx, fmt.Sprintf("/order/cart/%s/item/%d/configuration", cart, item), map[string]any{"label": label, "value": value}, nil)
}

// Checkout is the answer of a dry run and of the real thing.
type Checkout struct {
	OrderID int64  `json:"orderId"`
	URL     string `json:"url"`
	Details []struct {
		Type       string `json:"detailType"`
		TotalPrice Amount `json:"totalPrice"`
	} `json:"details"`
	Prices struct {
		WithoutTax Amount `json:"withoutTax"`
		WithTax    Amount `json:"withTax"`
		Tax        Amount `json:"tax"`
		Reduction  Amount `json:"reduction"`
	} `json:"prices"`
}

// DryRun validates a cart and prices it; it creates nothing.
func (c *Client) DryRun(ctx context.Context, cart string) (Checkout, error) {
	var out Checkout
	return out, c.get(ctx, "/order/cart/"+cart+"/checkout", &out)
}

// Buy checks a cart out: the one call that creates an order. It is never repeated, whatever comes back; ask Executed about its error.
func (c *Client) Buy(ctx context.Context, cart string) (Checkout, error) {
	var out Checkout
	in := map[string]any{"autoPayWithPreferredPaymentMethod": false, "waiveRetractationPeriod": true}
	err := c.post(ctx, "/order/cart/"+cart+"/checkout", in, &out)
	if err == nil && out.OrderID == 0 {
		err = &Error{Method: "POST", Route: "/order/cart/" + cart + "/checkout", Kind: NoAnswer, Status: 200, Cause: fmt.Errorf("the answer has no order id")}
	}
	return out, err
}

// Orders lists the orders placed since a moment.
func (c *Client) Orders(ctx context.Context, since time.Time) ([]int64, error) {
	var ids []int64
	return ids, c.get(ctx, "/me/order?date.from="+url.QueryEscape(since.UTC().Format(time.RFC3339)), &ids)
}

// Order is the head of an order.
type Order struct {
	ID           int64     `json:"orderId"`
	Date         time.Time `json:"date"`
	Expires      time.Time `json:"expirationDate"` // of the order while it is not paid
	URL          string    `json:"url"`
	PriceWithTax Amount    `json:"priceWithTax"`
	PriceNet     Amount    `json:"priceWithoutTax"`
}

// Order reads the head of an order.
func (c *Client) Order(ctx context.Context, id int64) (Order, error) {
	var o Order
	return o, c.get(ctx, fmt.Sprintf("/me/order/%d", id), &o)
}

// OrderStatus is one of cancelled cancelling checking delivered delivering documentsRequested notPaid unknown.
func (c *Client) OrderStatus(ctx context.Context, id int64) (string, error) {
	var s string
	return s, c.get(ctx, fmt.Sprintf("/me/order/%d/status", id), &s)
}

// FollowUp is one of the steps OVH shows for an order. It lags behind the status.
type FollowUp struct {
	Step    string `json:"step"`
	Status  string `json:"status"`
	History []struct {
		Label       string `json:"label"`
		Description string `json:"description"`
	} `json:"history"`
}

// OrderFollowUp reads the steps of an order.
func (c *Client) OrderFollowUp(ctx context.Context, id int64) ([]FollowUp, error) {
	var out []FollowUp
	return out, c.get(ctx, fmt.Sprintf("/me/order/%d/followUp", id), &out)
}

// OrderFacts is what an order is about. Nothing of it changes once the order is delivered.
type OrderFacts struct {
	Date time.Time
	Rows []OrderRow
}

// OrderRow is one plan or addon of an order; it has several lines on the bill.
type OrderRow struct {
	Code       string
	Datacenter string
	Domain     string // the service's name once delivered, a placeholder such as "*001" before
}

// Service is the name of the delivered service of a plan; empty before delivery.
func (f OrderFacts) Service(planCode string) string {
	for _, r := range f.Rows {
		if r.Code == planCode && r.Domain != "" && !strings.HasPrefix(r.Domain, "*") {
			return r.Domain
		}
	}
	return ""
}

// Main is the plan that an order is about, options aside.
func (f OrderFacts) Main() string {
	for _, r := range f.Rows {
		if !strings.HasPrefix(r.Domain, "*") || !strings.Contains(r.Domain, ".") { // options keep placeholders such as "*001.002"
			return r.Code
		}
	}
	return ""
}

// Of says in which data centre and with which options an order has a plan; ok is false when it does not have it.
func (f OrderFacts) Of(planCode string) (datacenter string, options []string, ok bool) {
	for _, r := range f.Rows {
		if r.Code == planCode {
			datacenter, ok = r.Datacenter, true
		} else {
			options = append(options, r.Code)
		}
	}
	return datacenter, options, ok
}

// OrderFacts reads the details of an order. Those of a delivered one are kept.
func (c *Client) OrderFacts(ctx context.Context, id int64) (OrderFacts, error) {
	c.cacheMu.Lock()
	known, ok := c.details[id]
	c.cacheMu.Unlock()
	if ok {
		return known, nil
	}
	var f OrderFacts
	head, err := c.Order(ctx, id)
	if err != nil {
		return f, err
	}
	f.Date = head.Date
	var rows []int64
	if err := c.get(ctx, fmt.Sprintf("/me/order/%d/details", id), &rows); err != nil {
		return f, err
	}
	delivered := len(rows) > 0
	for _, row := range rows {
		var extension struct {
			Order struct {
				Configurations []struct {
					Label string `json:"label"`
					Value string `json:"value"`
				} `json:"configurations"`
				Plan struct {
					Code string `json:"code"`
				} `json:"plan"`
			} `json:"order"`
		}
		path := fmt.Sprintf("/me/order/%d/details/%d", id, row)
		if err := c.get(ctx, path+"/extension", &extension); err != nil {
			if IsNotFound(err) {
				continue // lines such as fees have none
			}
			return f, err
		}
		r := OrderRow{Code: extension.Order.Plan.Code}
		if r.Code == "" || slices.ContainsFunc(f.Rows, func(o OrderRow) bool { return o.Code == r.Code }) {
			continue
		}
		for _, v := range extension.Order.Configurations {
			if strings.HasSuffix(v.Label, "_datacenter") {
				r.Datacenter = v.Value
			}
		}
		var detail struct {
			Domain string `json:"domain"`
		}
		if err := c.get(ctx, path, &detail); err != nil {
			return f, err
		}
		r.Domain = detail.Domain
		if strings.HasPrefix(r.Domain, "*") && !strings.Contains(r.Domain, ".") {
			delivered = false
		}
		f.Rows = append(f.Rows, r)
	}
	if delivered {
		c.cacheMu.Lock()
		c.details[id] = f
		c.cacheMu.Unlock()
	}
	return f, nil
}

// PaymentMethod is the account's preferred means of payment. Zero means that there is none.
func (c *Client) PaymentMethod(ctx context.Context) (int64, error) {
	var ids []int64
	if err := c.get(ctx, "/me/payment/method?default=true", &ids); err != nil || len(ids) == 0 {
		return 0, err
	}
	return ids[0], nil
}

// Pay pays an order. It is never repeated; ask Executed about its error.
func (c *Client) Pay(ctx context.Context, id, method int64) error {
	return c.post(ctx, fmt.Sprintf("/me/order/%d/pay", id), map[string]any{"paymentMethod": map[string]any{"id": method}}, nil)
}

// PayNothing settles an order over 0 from the account's balance.
func (c *Client) PayNothing(ctx context.Context, id int64) error {
	return c.post(ctx, fmt.Sprintf("/me/order/%d/payWithRegisteredPaymentMean", id), map[string]any{"paymentMean": "fidelityAccount"}, nil)
}

// Availability is the delivery that OVH promises for a plan in a data centre: "1H-high", "24H", "unavailable", or "unknown".
// It is asked for once for equal offers, because a stack has many equal servers.
func (c *Client) Availability(ctx context.Context, kind order.Kind, subsidiary, plan, datacenter, os string, options []string) (string, error) {
	key := strings.Join(append([]string{plan, datacenter, os}, options...), " ")
	c.cacheMu.Lock()
	defer c.cacheMu.Unlock()
	if known, ok := c.stock[key]; ok {
		return known, nil
	}
	seen, err := c.availability(ctx, kind, subsidiary, plan, datacenter, os, options)
	if err == nil {
		c.stock[key] = seen
	}
	return seen, err
}

func (c *Client) availability(ctx context.Context, kind order.Kind, subsidiary, plan, datacenter, os string, options []string) (string, error) {
	if kind == order.VPS {
		var out struct {
			Datacenters []struct {
				Datacenter string `json:"datacenter"`
				Status     string `json:"status"`
			} `json:"datacenters"`
		}
		q := url.Values{"ovhSubsidiary": {subsidiary}, "planCode": {plan}, "os": {os}}
		if err := c.get(ctx, "/vps/order/rule/datacenter?"+q.Encode(), &out); err != nil {
			return "unknown", err
		}
		for _, d := range out.Datacenters {
			if strings.EqualFold(d.Datacenter, datacenter) {
				return d.Status, nil
			}
		}
		return "unknown", nil
	}
	var out []struct {
		Memory      string `json:"memory"`
		Storage     string `json:"storage"`
		Datacenters []struct {
			Datacenter   string `json:"datacenter"`
			Availability string `json:"availability"`
		} `json:"datacenters"`
	}
	q := url.Values{"planCode": {plan}, "datacenters": {datacenter}}
	if err := c.get(ctx, "/dedicated/server/datacenter/availabilities?"+q.Encode(), &out); err != nil {
		return "unknown", err
	}
	has := func(segment string) bool { // addon codes carry a range suffix that the segments do not
		return segment == "" || slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, segment) })
	}
	for _, line := range out {
		if !has(line.Memory) || !has(line.Storage) {
			continue
		}
		for _, d := range line.Datacenters {
			if strings.EqualFold(d.Datacenter, datacenter) {
				return d.Availability, nil
			}
		}
	}
	return "unknown", nil
}

// ID prints an order id for the state, where zero is nothing.
func ID(id int64) string {
	if id == 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}
