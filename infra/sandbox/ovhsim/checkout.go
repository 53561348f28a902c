package ovhsim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// bill is what a cart costs: the rows and their sums.
type bill struct {
	rows       []*detail
	withoutTax money
	original   money
	tax        money
}

// taxRate is France's, in per cent.
const taxRate = 20

// bill lays a cart out in rows: for each unit of a plan and each of its options, the set-up and the first period.
func (c *call) bill(k *cart) *bill {
	b := &bill{}
	unit := 0
	add := func(i *item, p *plan, domain string, number int) {
		option := i.Parent != 0
		for _, row := range []struct{ capacity, kind, suffix string }{
			{"installation", "INSTALLATION", " setup"}, {"renew", "DURATION", " rental for " + months(i.Duration)},
		} {
			original, after, ok := p.amount(row.capacity, i.PricingMode, c.s.st.PriceRise, c.now)
			if !ok {
				continue
			}
			copied := *i
			copied.Quantity = 1
			b.rows = append(b.rows, &detail{
				Item: i.ID, Unit: number, Option: option, Description: p.InvoiceName + row.suffix, Type: row.kind, Domain: domain,
				Price: after, Original: original, Plan: copied,
			})
			b.original += original
			b.withoutTax += after
		}
	}
	for _, i := range k.Items {
		p := planOf(i)
		if i.Parent != 0 || p == nil {
			continue
		}
		for range i.Quantity {
			unit++
			domain := fmt.Sprintf("*%03d", unit)
			add(i, p, domain, unit)
			n := 0
			for _, o := range k.Items {
				if op := planOf(o); o.Parent == i.ID && op != nil {
					n++
					add(o, op, fmt.Sprintf("%s.%03d", domain, n), unit)
				}
			}
		}
	}
	b.tax = (b.withoutTax * taxRate / 100).cents()
	return b
}

func months(duration string) string {
	n := strings.TrimSuffix(strings.TrimPrefix(duration, "P"), "M")
	if n == "1" {
		return "1 month"
	}
	return n + " months"
}

// render is order.Order, the reply of summary, dry run and checkout alike.
func (b *bill) render(orderID int64, contracts bool) object {
	rows := []object{}
	for _, d := range b.rows {
		reductions := []object{}
		if cut := d.Original - d.Price; cut != 0 {
			reductions = append(reductions, object{"context": "promotion", "price": price(d.Price), "type": "fixed_amount", "value": price(cut)})
		}
		rows = append(rows, object{
			"cartItemID": d.Item, "description": d.Description, "detailType": d.Type, "domain": d.Domain, "quantity": 1,
			"originalTotalPrice": price(d.Original), "reductionTotalPrice": price(d.Original - d.Price), "reductions": reductions,
			"totalPrice": price(d.Price), "unitPrice": price(d.Price),
		})
	}
	var id, url any
	if orderID != 0 {
		id, url = orderID, orderURL(orderID)
	}
	papers := []object{}
	if contracts {
		papers = append(papers, object{"name": "Terms of service", "content": "…", "url": "https://www.ovh.com/fr/support/documents_legaux/terms.pdf"})
	}
	return object{
		"orderId": id, "url": url, "contracts": papers, "details": rows,
		"prices": object{
			"originalWithoutTax": price(b.original), "reduction": price(b.original - b.withoutTax), "tax": price(b.tax),
			"withTax": price(b.withoutTax + b.tax), "withoutTax": price(b.withoutTax),
		},
	}
}

func orderURL(id int64) string {
	return fmt.Sprintf("https://www.ovh.com/cgi-bin/order/displayOrder.cgi?orderId=%d", id)
}

func (c *call) summary() (any, error) {
	k, err := c.cart()
	if err != nil {
		return nil, err
	}
	return c.bill(k).render(0, false), nil
}

// validate finds what keeps a cart from being ordered.
func (c *call) validate(k *cart) error {
	if !k.Assigned {
		return forbidden("You are not allowed: the cart is not assigned to an account")
	}
	roots := 0
	for _, i := range k.Items {
		p := planOf(i)
		if i.Parent != 0 || p == nil {
			continue
		}
		roots++
		for _, s := range p.Configurations {
			if s.Mandatory && i.configured(s.Name) == "" {
				return badRequest("Client::BadRequest", "Custom field %s is mandatory for product %s\n", s.Name, i.PlanCode)
			}
		}
		for _, f := range p.Families {
			n := 0
			for _, o := range k.Items {
				if o.Parent == i.ID && p.family(o.PlanCode) != nil && p.family(o.PlanCode).Name == f.Name {
					n++
				}
			}
			switch {
			case f.Mandatory && n == 0:
				return badRequest("Client::BadRequest", "An option of family %s is mandatory for product %s", f.Name, i.PlanCode)
			case f.Exclusive && n > 1:
				return badRequest("Client::BadRequest", "Options of family %s are exclusive for product %s", f.Name, i.PlanCode)
			}
		}
		centre := strings.ToLower(i.configured("dedicated_datacenter") + i.configured("vps_datacenter"))
		if where, ok := places[centre]; ok {
			if region := i.configured("region"); region != "" && region != where.zone && where.zone != "asia" {
				return badRequest("Client::BadRequest", "%s is not available in %s: region %s was asked for", i.PlanCode, centre, region)
			}
		}
		if c.s.soldOut(i.PlanCode, centre) || c.s.latched(OutOfStock) != nil {
			return badRequest("Client::BadRequest", "%s is not available in %s", i.PlanCode, centre)
		}
	}
	if roots == 0 {
		return badRequest("Client::BadRequest", "Cart %s is empty", k.ID)
	}
	return nil
}

// dryRun validates and prices, and creates nothing.
func (c *call) dryRun() (any, error) {
	k, err := c.openCart()
	if err != nil {
		return nil, err
	}
	if err := c.validate(k); err != nil {
		return nil, err
	}
	return c.bill(k).render(0, true), nil
}

// checkout creates the order. The cart is read only from then on, and knows no order id: that stands in this reply and in the list of orders only.
func (c *call) checkout() (any, error) {
	k, err := c.openCart()
	if err != nil {
		return nil, err
	}
	var in struct {
		AutoPay bool `json:"autoPayWithPreferredPaymentMethod"`
		Waive   bool `json:"waiveRetractationPeriod"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := c.validate(k); err != nil {
		return nil, err
	}
	b := c.bill(k)
	o := &order{
		ID: 231_000_000 + c.s.st.id(), CartID: k.ID, Created: c.now, Details: b.rows, WithoutTax: b.withoutTax, Tax: b.tax, Reduction: b.original - b.withoutTax,
		Waived: in.Waive,
	}
	o.move("notPaid", c.now)
	for _, d := range o.Details {
		d.ID = c.s.st.id()
		d.Plan.Configurations = slices.Clone(d.Plan.Configurations) // the cart's own list may be read again, never changed
	}
	if in.AutoPay {
		o.PaymentBegun = true
		o.Next = c.now.Add(c.s.delays.Payment)
	}
	c.s.st.Orders[o.ID] = o
	k.ReadOnly = true
	if c.s.latched(OrderCancelled) != nil {
		o.CancelLater = true
	}
	if f := c.s.latched(OtherDatacentre); f != nil {
		o.DeliverIn = f.elsewhere(o)
	}
	c.s.st.Mails = append(c.s.st.Mails, mail{
		ID: c.s.st.id(), Date: c.now, Subject: fmt.Sprintf("[OVHcloud] Your order %d", o.ID), Body: fmt.Sprintf("We have received your order %d.\n%s\n", o.ID, orderURL(o.ID)),
	})
	return b.render(o.ID, true), nil
}

// expiry is when an unpaid order lapses.
func (o *order) expiry() time.Time { return o.Created.AddDate(0, 0, 14) }
