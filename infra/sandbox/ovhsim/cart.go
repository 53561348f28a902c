package ovhsim

import (
	"slices"
	"strings"
	"time"
)

func (c *call) createCart() (any, error) {
	var in struct {
		Subsidiary  string `json:"ovhSubsidiary"`
		Description string `json:"description"`
		Expire      string `json:"expire"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := subsidiary(in.Subsidiary); err != nil {
		return nil, err
	}
	expire := c.now.Add(24 * time.Hour)
	if in.Expire != "" {
		at, err := time.Parse(time.RFC3339, in.Expire)
		if err != nil {
			return nil, badRequest("Client::BadRequest", "[expire] Given data (%s) is not valid for type datetime", in.Expire)
		}
		expire = at
	}
	k := &cart{ID: c.s.st.uuid("cart"), Description: in.Description, Created: c.now, Expire: expire, Subsidiary: in.Subsidiary}
	c.s.st.Carts[k.ID] = k
	return k.render(), nil
}

func (k *cart) render() object {
	ids := []int64{}
	for _, i := range k.Items {
		ids = append(ids, i.ID)
	}
	return object{"cartId": k.ID, "description": k.Description, "expire": stamp(k.Expire), "items": ids, "readOnly": k.ReadOnly}
}

// listCarts lists the account's carts; those never assigned belong to nobody.
func (c *call) listCarts() (any, error) {
	out := []string{}
	for _, id := range sortedKeys(c.s.st.Carts) {
		k := c.s.st.Carts[id]
		if k.Assigned && c.now.Before(k.Expire) && (!c.query.Has("description") || c.query.Get("description") == k.Description) {
			out = append(out, id)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return c.s.st.Carts[a].Created.Compare(c.s.st.Carts[b].Created) })
	return out, nil
}

func (c *call) cart() (*cart, error) {
	k, ok := c.s.st.Carts[c.param("cartId")]
	if !ok || !c.now.Before(k.Expire) {
		return nil, notFound("Invalid Cart ID")
	}
	return k, nil
}

// open is the cart, if it may still change.
func (c *call) openCart() (*cart, error) {
	k, err := c.cart()
	if err != nil {
		return nil, err
	}
	if k.ReadOnly {
		return nil, badRequest("Client::BadRequest", "Cart %s is read only: it has already been validated", k.ID)
	}
	return k, nil
}

func (c *call) getCart() (any, error) {
	k, err := c.cart()
	if err != nil {
		return nil, err
	}
	return k.render(), nil
}

func (c *call) putCart() (any, error) {
	k, err := c.openCart()
	if err != nil {
		return nil, err
	}
	var in struct {
		Description *string    `json:"description"`
		Expire      *time.Time `json:"expire"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Description != nil {
		k.Description = *in.Description
	}
	if in.Expire != nil {
		k.Expire = *in.Expire
	}
	return k.render(), nil
}

func (c *call) deleteCart() (any, error) {
	k, err := c.openCart()
	if err != nil {
		return nil, err
	}
	delete(c.s.st.Carts, k.ID)
	return nil, nil
}

func (c *call) assignCart() (any, error) {
	k, err := c.openCart()
	if err != nil {
		return nil, err
	}
	if k.Assigned {
		return nil, refusal(409, "Client::Conflict", "Cart is already assigned")
	}
	k.Assigned = true
	return nil, nil
}

func (c *call) cartCatalogue() (*catalogue, error) {
	cat, ok := products[c.param("product")]
	if !ok {
		return nil, notFound("Got an invalid (or empty) URL")
	}
	return cat, nil
}

func (c *call) cartOffers() (any, error) {
	if _, err := c.cart(); err != nil {
		return nil, err
	}
	cat, err := c.cartCatalogue()
	if err != nil {
		return nil, err
	}
	out := []object{}
	for i := range cat.Plans {
		if p := &cat.Plans[i]; c.matches("planCode", p.PlanCode) {
			out = append(out, object{"planCode": p.PlanCode, "productName": p.Product, "productType": "delivery", "prices": p.offers(c.s.st.PriceRise)})
		}
	}
	return out, nil
}

func (c *call) cartOptions() (any, error) {
	if _, err := c.cart(); err != nil {
		return nil, err
	}
	cat, err := c.cartCatalogue()
	if err != nil {
		return nil, err
	}
	code := c.query.Get("planCode")
	p := findPlan(cat.Plans, code)
	if p == nil {
		return nil, badRequest("Client::BadRequest", "Plan code not found %s", code)
	}
	out := []object{}
	for _, f := range p.Families {
		for _, option := range f.Addons {
			a := findPlan(cat.Addons, option)
			if a == nil {
				continue
			}
			out = append(out, object{
				"planCode": option, "family": f.Name, "mandatory": f.Mandatory, "exclusive": f.Exclusive, "productName": a.Product,
				"productType": "delivery", "prices": a.offers(c.s.st.PriceRise),
			})
		}
	}
	return out, nil
}

// wanted is the body of an item or an option.
type wanted struct {
	ItemID      int64  `json:"itemId"`
	PlanCode    string `json:"planCode"`
	Duration    string `json:"duration"`
	PricingMode string `json:"pricingMode"`
	Quantity    int    `json:"quantity"`
}

func (c *call) wanted(list []plan) (wanted, error) {
	var in wanted
	if err := c.decode(&in); err != nil {
		return in, err
	}
	p := findPlan(list, in.PlanCode)
	if p == nil {
		return in, badRequest("Client::BadRequest", "Plan code not found %s", in.PlanCode)
	}
	if _, _, ok := p.amount("renew", in.PricingMode, 0, c.now); !ok || !sold(in.PricingMode, in.Duration) {
		return in, badRequest("Client::BadRequest", "Pricing mode %s with duration %s is not available for plan %s", in.PricingMode, in.Duration, in.PlanCode)
	}
	for _, x := range p.Pricings {
		if x.Quantity.Max != nil && in.Quantity > *x.Quantity.Max || in.Quantity < 1 {
			return in, badRequest("Client::BadRequest", "Quantity %d is not allowed for plan %s", in.Quantity, in.PlanCode)
		}
	}
	return in, nil
}

func (c *call) addItem() (any, error) {
	k, err := c.openCart()
	if err != nil {
		return nil, err
	}
	cat, err := c.cartCatalogue()
	if err != nil {
		return nil, err
	}
	in, err := c.wanted(cat.Plans)
	if err != nil {
		return nil, err
	}
	i := &item{
		ID: c.s.st.id(), Product: c.param("product"), PlanCode: in.PlanCode, Duration: in.Duration, PricingMode: in.PricingMode, Quantity: in.Quantity,
	}
	k.Items = append(k.Items, i)
	return c.renderItem(k, i), nil
}

func (c *call) addOption() (any, error) {
	k, err := c.openCart()
	if err != nil {
		return nil, err
	}
	cat, err := c.cartCatalogue()
	if err != nil {
		return nil, err
	}
	in, err := c.wanted(cat.Addons)
	if err != nil {
		return nil, err
	}
	parent := k.item(in.ItemID)
	if parent == nil || parent.Parent != 0 {
		return nil, notFound("Item %d not found in cart", in.ItemID)
	}
	p := findPlan(cat.Plans, parent.PlanCode)
	if p == nil || p.family(in.PlanCode) == nil {
		return nil, badRequest("Client::BadRequest", "Option %s is not available for plan %s", in.PlanCode, parent.PlanCode)
	}
	i := &item{
		ID: c.s.st.id(), Parent: parent.ID, Product: c.param("product"), PlanCode: in.PlanCode, Duration: in.Duration, PricingMode: in.PricingMode,
		Quantity: in.Quantity,
	}
	k.Items = append(k.Items, i)
	return c.renderItem(k, i), nil
}

func (k *cart) item(id int64) *item {
	i := slices.IndexFunc(k.Items, func(i *item) bool { return i.ID == id })
	if i < 0 {
		return nil
	}
	return k.Items[i]
}

// planOf is what an item is of, in the catalogue it was taken from.
func planOf(i *item) *plan {
	cat := products[i.Product]
	if cat == nil {
		return nil
	}
	if i.Parent != 0 {
		return findPlan(cat.Addons, i.PlanCode)
	}
	return findPlan(cat.Plans, i.PlanCode)
}

func (c *call) renderItem(k *cart, i *item) object {
	configurations, options := []int64{}, []int64{}
	for _, x := range i.Configurations {
		configurations = append(configurations, x.ID)
	}
	for _, x := range k.Items {
		if x.Parent == i.ID {
			options = append(options, x.ID)
		}
	}
	var parent any
	if i.Parent != 0 {
		parent = i.Parent
	}
	var setup, rent money
	if p := planOf(i); p != nil {
		_, setup, _ = p.amount("installation", i.PricingMode, c.s.st.PriceRise, c.now)
		_, rent, _ = p.amount("renew", i.PricingMode, c.s.st.PriceRise, c.now)
	}
	n := money(i.Quantity)
	prices := []object{
		{"label": "PRICE", "price": price(rent)}, {"label": "FEE", "price": price(setup * n)}, {"label": "RENEW", "price": price(rent * n)},
		{"label": "TOTAL", "price": price((rent + setup) * n)},
	}
	return object{
		"cartId": k.ID, "itemId": i.ID, "parentItemId": parent, "productId": i.Product, "offerId": nil, "duration": i.Duration,
		"configurations": configurations, "options": options, "prices": prices,
		"settings": object{"planCode": i.PlanCode, "pricingMode": i.PricingMode, "quantity": i.Quantity},
	}
}

func (c *call) listItems() (any, error) {
	k, err := c.cart()
	if err != nil {
		return nil, err
	}
	return k.render()["items"], nil
}

func (c *call) itemOf(find func() (*cart, error)) (*cart, *item, error) {
	k, err := find()
	if err != nil {
		return nil, nil, err
	}
	id, err := c.number("itemId")
	if err != nil {
		return nil, nil, err
	}
	i := k.item(id)
	if i == nil {
		return nil, nil, notFound("Item %d not found in cart", id)
	}
	return k, i, nil
}

func (c *call) getItem() (any, error) {
	k, i, err := c.itemOf(c.cart)
	if err != nil {
		return nil, err
	}
	return c.renderItem(k, i), nil
}

func (c *call) deleteItem() (any, error) {
	k, i, err := c.itemOf(c.openCart)
	if err != nil {
		return nil, err
	}
	k.Items = slices.DeleteFunc(k.Items, func(x *item) bool { return x.ID == i.ID || x.Parent == i.ID })
	return nil, nil
}

func (c *call) requiredConfiguration() (any, error) {
	_, i, err := c.itemOf(c.cart)
	if err != nil {
		return nil, err
	}
	out := []object{}
	if p := planOf(i); p != nil {
		for _, s := range p.Configurations {
			out = append(out, object{"label": s.Name, "type": "string", "required": s.Mandatory, "fields": []string{}, "allowedValues": s.Values})
		}
	}
	return out, nil
}

func (c *call) listConfigurations() (any, error) {
	_, i, err := c.itemOf(c.cart)
	if err != nil {
		return nil, err
	}
	out := []int64{}
	for _, x := range i.Configurations {
		if c.matches("label", x.Label) {
			out = append(out, x.ID)
		}
	}
	return out, nil
}

func (c *call) addConfiguration() (any, error) {
	_, i, err := c.itemOf(c.openCart)
	if err != nil {
		return nil, err
	}
	var in struct{ Label, Value string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	p := planOf(i)
	at := -1
	if p != nil {
		at = slices.IndexFunc(p.Configurations, func(s planSetting) bool { return s.Name == in.Label })
	}
	switch {
	case at < 0:
		return nil, badRequest("Client::BadRequest", "Custom field %s is not available for product %s", in.Label, i.PlanCode)
	case i.configured(in.Label) != "":
		return nil, badRequest("Client::BadRequest", "Custom field %s is duplicated for product %s", in.Label, i.PlanCode)
	case !slices.Contains(p.Configurations[at].Values, in.Value):
		return nil, badRequest("Client::BadRequest", "Value %s of custom field %s is not allowed: %s", in.Value, in.Label, strings.Join(p.Configurations[at].Values, ", "))
	case in.Label == "region" && i.configured("dedicated_datacenter") == "" && i.Product != "vps":
		// Seen at OVH: the region is checked against the data centre, so it must come after it.
		return nil, badRequest("Client::BadRequest", "Custom field region needs dedicated_datacenter first for product %s", i.PlanCode)
	}
	x := configuration{ID: c.s.st.id(), Label: in.Label, Value: in.Value}
	i.Configurations = append(i.Configurations, x)
	return object{"id": x.ID, "label": x.Label, "value": x.Value}, nil
}

func (c *call) configurationOf(find func() (*cart, error)) (*item, int, error) {
	_, i, err := c.itemOf(find)
	if err != nil {
		return nil, 0, err
	}
	id, err := c.number("configurationId")
	if err != nil {
		return nil, 0, err
	}
	at := slices.IndexFunc(i.Configurations, func(x configuration) bool { return x.ID == id })
	if at < 0 {
		return nil, 0, notFound("Configuration %d not found", id)
	}
	return i, at, nil
}

func (c *call) getConfiguration() (any, error) {
	i, at, err := c.configurationOf(c.cart)
	if err != nil {
		return nil, err
	}
	x := i.Configurations[at]
	return object{"id": x.ID, "label": x.Label, "value": x.Value}, nil
}

func (c *call) deleteConfiguration() (any, error) {
	i, at, err := c.configurationOf(c.openCart)
	if err != nil {
		return nil, err
	}
	i.Configurations = slices.Delete(i.Configurations, at, at+1)
	return nil, nil
}
