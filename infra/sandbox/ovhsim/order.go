package ovhsim

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// stepOrder moves an order to its next state, because its time has come: notPaid → checking → delivering → delivered, or cancelled on the way.
func (s *Simulator) stepOrder(o *order) {
	now := s.now()
	o.Next = time.Time{}
	switch o.status() {
	case "notPaid":
		s.pay(o, now)
	case "checking":
		if o.CancelLater {
			s.cancelOrder(o)
			return
		}
		o.move("delivering", now)
		o.Next = now.Add(s.deliveryDelay(o))
	case "delivering":
		s.deliver(o, now)
	}
}

func (s *Simulator) deliveryDelay(o *order) time.Duration {
	for _, d := range o.Details {
		if !d.Option && (d.Plan.Product == "eco" || d.Plan.Product == "baremetalServers") {
			return s.delays.Delivery
		}
	}
	return s.delays.VPSDelivery
}

// pay books the order's price, once.
func (s *Simulator) pay(o *order, now time.Time) {
	if !o.Paid {
		o.Paid, o.PaidAt = true, now
		s.st.Ledger = append(s.st.Ledger, Entry{
			At: now, Order: o.ID, From: "customer", To: fmt.Sprintf("order %d", o.ID), Amount: int64(o.withTax()), NoTax: int64(o.WithoutTax),
		})
	}
	o.move("checking", now)
	o.Next = now.Add(s.delays.Checking)
}

// cancelOrder ends an order that was not delivered and pays it back.
func (s *Simulator) cancelOrder(o *order) {
	now := s.now()
	o.Next = time.Time{}
	o.move("cancelled", now)
	s.refund(o, now)
	for _, d := range o.Details {
		d.Cancelled = true
	}
}

func (s *Simulator) refund(o *order, now time.Time) {
	if !o.Paid {
		return
	}
	o.Paid = false
	s.st.Ledger = append(s.st.Ledger, Entry{
		At: now, Order: o.ID, From: fmt.Sprintf("order %d", o.ID), To: "customer", Amount: int64(o.withTax()), NoTax: int64(o.WithoutTax),
	})
}

// SetOrderStatus forces an order's state: documentsRequested, checking, notPaid, unknown or cancelled. In the first four it waits until another call moves it on;
// delivering and delivered let it go on by itself.
func (s *Simulator) SetOrderStatus(id int64, status string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.st.Orders[id]
	if !ok {
		return fmt.Errorf("order %d: not known to the simulator", id)
	}
	now := s.now()
	switch status {
	case "cancelled":
		if o.status() == "delivered" {
			return fmt.Errorf("order %d: delivered already", id)
		}
		s.cancelOrder(o)
	case "documentsRequested", "checking", "notPaid", "unknown", "cancelling":
		o.move(status, now)
		o.Next = time.Time{}
	case "delivering", "delivered":
		if !o.Paid {
			s.pay(o, now)
		}
		o.move("delivering", now)
		o.Next = now
	default:
		return fmt.Errorf("order %d: status %q is not one of OVH's", id, status)
	}
	s.keep()
	s.signal()
	return nil
}

func (c *call) order() (*order, error) {
	id, err := c.number("orderId")
	if err != nil {
		return nil, err
	}
	o, ok := c.s.st.Orders[id]
	if !ok {
		return nil, noObject("orderId", id)
	}
	return o, nil
}

func (c *call) listOrders() (any, error) {
	from, err := c.queryTime("date.from")
	if err != nil {
		return nil, err
	}
	to, err := c.queryTime("date.to")
	if err != nil {
		return nil, err
	}
	out := []int64{}
	for _, id := range sortedKeys(c.s.st.Orders) {
		at := c.s.st.Orders[id].Created
		if (from.IsZero() || !at.Before(from)) && (to.IsZero() || !at.After(to)) {
			out = append(out, id)
		}
	}
	slices.Reverse(out) // newest first, as at OVH
	return out, nil
}

func (c *call) queryTime(key string) (time.Time, error) {
	text := c.query.Get(key)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02"} {
		// A plus sign that was not escaped arrives as a blank.
		if t, err := time.Parse(layout, strings.Replace(text, " ", "+", 1)); err == nil {
			return t, nil
		}
	}
	return time.Time{}, badRequest("Client::BadRequest", "[%s] Given data (%s) is not valid for type datetime", key, text)
}

func (c *call) getOrder() (any, error) {
	o, err := c.order()
	if err != nil {
		return nil, err
	}
	var retraction any
	if !o.Waived {
		retraction = stamp(o.Created.AddDate(0, 0, 14))
	}
	return object{
		"date": stamp(o.Created), "expirationDate": stamp(o.expiry()), "orderId": o.ID, "password": "sandbox", "pdfUrl": orderURL(o.ID) + "&format=pdf",
		"priceWithTax": price(o.withTax()), "priceWithoutTax": price(o.WithoutTax), "tax": price(o.Tax), "retractionDate": retraction, "url": orderURL(o.ID),
	}, nil
}

func (c *call) orderStatus() (any, error) {
	o, err := c.order()
	if err != nil {
		return nil, err
	}
	return o.status(), nil
}

// followUp shows the steps as they were a moment ago: it lags behind the status, as OVH's does.
func (c *call) followUp() (any, error) {
	o, err := c.order()
	if err != nil {
		return nil, err
	}
	seen := c.now.Add(-c.s.delays.FollowUp)
	steps := []string{"VALIDATING", "VALIDATED", "DELIVERING", "AVAILABLE"}
	states := map[string]string{"VALIDATING": "DOING", "VALIDATED": "TODO", "DELIVERING": "TODO", "AVAILABLE": "TODO"}
	history := map[string][]object{}
	note := func(step, label, text string, at time.Time) {
		history[step] = append(history[step], object{"date": stamp(at), "label": label, "description": text})
	}
	for n, m := range o.History {
		if n > 0 && m.At.After(seen) {
			break
		}
		switch m.Status {
		case "notPaid":
			note("VALIDATING", "ORDER_STARTED", "Your order has been registered", m.At)
			if o.PaymentBegun {
				note("VALIDATING", "PAYMENT_INITIATED", "Payment has been initiated", m.At)
			}
		case "checking":
			note("VALIDATING", "PAYMENT_CONFIRMED", "Your payment has been confirmed", m.At)
		case "documentsRequested":
			note("VALIDATING", "FRAUD_DOCS_REQUESTED", "Documents are needed to validate your order", m.At)
		case "delivering":
			states["VALIDATING"], states["VALIDATED"], states["DELIVERING"] = "DONE", "DONE", "DOING"
			note("VALIDATED", "ORDER_ACCEPTED", "Your order has been accepted", m.At)
			note("DELIVERING", "DELIVERY", "Your order is being delivered", m.At)
		case "delivered":
			states["DELIVERING"], states["AVAILABLE"] = "DONE", "DONE"
			note("AVAILABLE", "INVOICE_IN_PROGRESS", "Your service is available", m.At)
		case "cancelled":
			for _, step := range steps {
				if states[step] == "DOING" {
					states[step] = "ERROR"
				}
			}
			note("VALIDATING", "FRAUD_REFUSED", "Your order has been cancelled", m.At)
		}
	}
	out := []object{}
	for _, step := range steps {
		list := history[step]
		if list == nil {
			list = []object{}
		}
		out = append(out, object{"step": step, "status": states[step], "history": list})
	}
	return out, nil
}

func (c *call) orderDetails() (any, error) {
	o, err := c.order()
	if err != nil {
		return nil, err
	}
	out := []int64{}
	for _, d := range o.Details {
		out = append(out, d.ID)
	}
	return out, nil
}

func (c *call) detail() (*detail, error) {
	o, err := c.order()
	if err != nil {
		return nil, err
	}
	id, err := c.number("orderDetailId")
	if err != nil {
		return nil, err
	}
	for _, d := range o.Details {
		if d.ID == id {
			return d, nil
		}
	}
	return nil, noObject("orderDetailId", id)
}

func (c *call) orderDetail() (any, error) {
	d, err := c.detail()
	if err != nil {
		return nil, err
	}
	return object{
		"orderDetailId": d.ID, "description": d.Description, "detailType": d.Type, "domain": d.Domain, "quantity": "1", "cancelled": d.Cancelled,
		"totalPrice": price(d.Price), "unitPrice": price(d.Price),
	}, nil
}

func (c *call) orderExtension() (any, error) {
	d, err := c.detail()
	if err != nil {
		return nil, err
	}
	configurations := []object{}
	for _, x := range d.Plan.Configurations {
		configurations = append(configurations, object{"label": x.Label, "value": x.Value})
	}
	product := d.Plan.PlanCode
	if p := planOf(&d.Plan); p != nil {
		product = p.Product
	}
	return object{"order": object{
		"action": "installation", "configurations": configurations, "type": "plan",
		"plan": object{
			"code": d.Plan.PlanCode, "duration": d.Plan.Duration, "pricingMode": d.Plan.PricingMode, "product": object{"name": product}, "quantity": d.Plan.Quantity,
		},
	}}, nil
}

func (c *call) orderPayment() (any, error) {
	o, err := c.order()
	if err != nil {
		return nil, err
	}
	if !o.Paid {
		return nil, noObject("orderId", o.ID)
	}
	return object{"paymentDate": stamp(o.PaidAt), "paymentIdentifier": fmt.Sprint(o.ID), "paymentType": "creditCard"}, nil
}

func (c *call) orderObject() (any, error) {
	o, err := c.order()
	if err != nil {
		return nil, err
	}
	if !o.Paid {
		return object{"id": nil, "type": nil}, nil
	}
	return object{"id": fmt.Sprintf("FR%d", o.ID), "type": "Bill"}, nil
}

// startPayment lets an unpaid order be paid, once: a second payment of the same order is refused.
func (c *call) startPayment() error {
	o, err := c.order()
	if err != nil {
		return err
	}
	if o.PaymentBegun || o.status() != "notPaid" {
		return badRequest("Client::BadRequest", "Order %d is already paid or cancelled", o.ID)
	}
	o.PaymentBegun = true
	o.Next = c.now.Add(c.s.delays.Payment)
	return nil
}

func (c *call) payOrder() (any, error) {
	var in struct {
		Method struct {
			ID int64 `json:"id"`
		} `json:"paymentMethod"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Method.ID != paymentMethod {
		return nil, badRequest("Client::BadRequest", "Payment method %d does not exist", in.Method.ID)
	}
	return nil, c.startPayment()
}

func (c *call) payRegistered() (any, error) {
	var in struct {
		Mean string `json:"paymentMean"`
		ID   *int64 `json:"paymentMeanId"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"fidelityAccount", "ovhAccount", "creditCard", "bankAccount", "paypal", "deferredPaymentAccount"}, in.Mean) {
		return nil, badRequest("Client::BadRequest", "[paymentMean] Given data (%s) does not belong to the ReusablePaymentMeanEnum enumeration", in.Mean)
	}
	return nil, c.startPayment()
}

func (c *call) waiveRetraction() (any, error) {
	o, err := c.order()
	if err != nil {
		return nil, err
	}
	o.Waived = true
	return nil, nil
}

// retract gives a delivered or running order back within fourteen days: everything is refunded and its services end.
func (c *call) retract() (any, error) {
	o, err := c.order()
	if err != nil {
		return nil, err
	}
	var in struct{ Reason, Comment string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if o.Waived || o.Retracted || c.now.After(o.Created.AddDate(0, 0, 14)) {
		return nil, badRequest("Client::BadRequest", "Order %d cannot be retracted", o.ID)
	}
	o.Retracted = true
	c.s.cancelOrder(o)
	for _, d := range o.Details {
		if v := c.s.st.Services[d.Service]; v != nil && v.Ended.IsZero() {
			c.s.end(v)
		}
	}
	return nil, nil
}
