package ovhsim

import (
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// day is how OVH writes dates without a time.
const day = "2006-01-02"

// infos serves serviceInfos of a product that expires.
func (c *call) infos(kind string) (any, error) {
	v, err := c.living(kind)
	if err != nil {
		return nil, err
	}
	return object{
		"serviceId": v.ID, "domain": v.Name, "status": "ok", "creation": v.Created.Format(day), "expiration": v.Expires.Format(day), "engagedUpTo": nil,
		"canDeleteAtExpiration": true, "possibleRenewPeriod": []int{1, 3, 6, 12}, "renewalType": "automaticV2016", "renew": v.Renew,
		"contactAdmin": c.s.credential.account, "contactBilling": c.s.credential.account, "contactTech": c.s.credential.account,
	}, nil
}

func (c *call) vrackInfos() (any, error) {
	v, err := c.vrack()
	if err != nil {
		return nil, err
	}
	return object{
		"serviceId": v.ID, "domain": v.Name, "status": "ok", "creation": v.Created.Format(day),
		"contactAdmin": c.s.credential.account, "contactBilling": c.s.credential.account, "contactTech": c.s.credential.account,
	}, nil
}

// putInfos changes the renewal. OVH refuses that for a moment after delivery.
func (c *call) putInfos(kind string) (any, error) {
	v, err := c.living(kind)
	if err != nil {
		return nil, err
	}
	var in struct {
		Renew *renew `json:"renew"`
		infosIgnored
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if c.now.Before(v.Created.Add(c.s.delays.Activation)) {
		return nil, badRequest("Client::BadRequest", "Unable to synchronize l1::Service, subscription is not active yet")
	}
	if in.Renew == nil {
		return nil, nil
	}
	v.Renew.Forced, v.Renew.ManualPayment = in.Renew.Forced, in.Renew.ManualPayment
	v.Renew.Automatic = in.Renew.Automatic
	if in.Renew.Period != nil {
		v.Renew.Period = in.Renew.Period
	}
	c.s.leave(v, in.Renew.DeleteAtExpiration)
	return nil, nil
}

// infosIgnored are properties of services.Service that a PUT may repeat and cannot change.
type infosIgnored struct {
	ServiceID  int64  `json:"serviceId"`
	Domain     string `json:"domain"`
	Status     string `json:"status"`
	Creation   string `json:"creation"`
	Expiration string `json:"expiration"`
	Engaged    any    `json:"engagedUpTo"`
	CanDelete  bool   `json:"canDeleteAtExpiration"`
	Periods    []int  `json:"possibleRenewPeriod"`
	Type       string `json:"renewalType"`
	Admin      string `json:"contactAdmin"`
	Billing    string `json:"contactBilling"`
	Tech       string `json:"contactTech"`
}

// leave marks a service for its end at expiry, or takes the mark back. In the sandbox it ends at once.
func (s *Simulator) leave(v *service, leaving bool) {
	v.Renew.DeleteAtExpiration = leaving
	if !leaving {
		return
	}
	v.Renew.Automatic = false
	if s.endAtOnce {
		s.end(v)
	}
}

// terminate asks for an end: the token to confirm it comes by mail.
func (c *call) terminate(kind string) (any, error) {
	v, err := c.living(kind)
	if err != nil {
		return nil, err
	}
	c.s.askEnd(v)
	return "Termination request sent: a confirmation e-mail has been sent to " + c.s.credential.account, nil
}

func (s *Simulator) askEnd(v *service) {
	now := s.now()
	v.Token = fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "token %d %d", v.ID, s.st.id())))[:40]
	s.st.Mails = append(s.st.Mails, mail{
		ID: s.st.id(), Date: now, Subject: fmt.Sprintf("[%s] Request to terminate your service %s", s.credential.account, v.Name),
		Body: fmt.Sprintf("You have asked to terminate %s.\nhttps://www.ovh.com/manager/#/billing/confirmTerminate?id=%d&token=%s\n", v.Name, v.ID, v.Token),
	})
}

// The reasons and plans one may give when leaving.
var (
	reasons = strings.Fields(`FEATURES_DONT_SUIT_ME LACK_OF_PERFORMANCES MIGRATED_TO_ANOTHER_OVH_PRODUCT MIGRATED_TO_COMPETITOR NOT_ENOUGH_RECOGNITION
		NOT_NEEDED_ANYMORE NOT_RELIABLE NO_ANSWER OTHER PRODUCT_DIMENSION_DONT_SUIT_ME PRODUCT_TOOLS_DONT_SUIT_ME TOO_EXPENSIVE TOO_HARD_TO_USE
		UNSATIFIED_BY_CUSTOMER_SUPPORT`)
	futureUses = strings.Fields(`NOT_REPLACING_SERVICE OTHER SUBSCRIBE_AN_OTHER_SERVICE SUBSCRIBE_OTHER_KIND_OF_SERVICE_WITH_COMPETITOR
		SUBSCRIBE_SIMILAR_SERVICE_WITH_COMPETITOR`)
)

func (c *call) confirmTermination(kind string) (any, error) {
	v, err := c.living(kind)
	if err != nil {
		return nil, err
	}
	var in struct{ Token, Reason, FutureUse, Commentary string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	switch {
	case in.Reason != "" && !slices.Contains(reasons, in.Reason):
		return nil, badRequest("Client::BadRequest", "[reason] Given data (%s) does not belong to the TerminationReasonEnum enumeration", in.Reason)
	case in.FutureUse != "" && !slices.Contains(futureUses, in.FutureUse):
		return nil, badRequest("Client::BadRequest", "[futureUse] Given data (%s) does not belong to the TerminationFutureUseEnum enumeration", in.FutureUse)
	}
	if err := c.s.confirmEnd(v, in.Token); err != nil {
		return nil, err
	}
	return "Termination confirmed: the service will be terminated on " + v.Expires.Format(day), nil
}

func (s *Simulator) confirmEnd(v *service, token string) error {
	if v.Token == "" || token != v.Token {
		return badRequest("Client::BadRequest", "Invalid token")
	}
	v.Token = ""
	s.leave(v, true)
	return nil
}

func (c *call) listServices() (any, error) {
	out := []int64{}
	for _, id := range sortedKeys(c.s.st.Services) {
		v := c.s.st.Services[id]
		if v.Kind != KindInstance && v.Ended.IsZero() && c.matches("resourceName", v.Name) && c.matches("routes", v.route()) {
			out = append(out, id)
		}
	}
	return out, nil
}

// route is the product's path, as /services names it.
func (v *service) route() string {
	return map[string]string{KindDedicated: "/dedicated/server/{serviceName}", KindVPS: "/vps/{serviceName}", kindVrack: "/vrack/{serviceName}"}[v.Kind]
}

func (c *call) service() (*service, error) {
	id, err := c.number("serviceId")
	if err != nil {
		return nil, err
	}
	v := c.s.st.Services[id]
	if v == nil || !v.Ended.IsZero() {
		return nil, noObject("serviceId", id)
	}
	return v, nil
}

func (c *call) getService() (any, error) {
	v, err := c.service()
	if err != nil {
		return nil, err
	}
	mode, state := "automatic", "active"
	if !v.Renew.Automatic {
		mode = "manual"
	}
	pending := []string{}
	var ends any
	if v.Renew.DeleteAtExpiration {
		pending, ends = []string{"terminateAtExpirationDate"}, stamp(v.Expires)
	}
	if v.Suspended {
		state = "suspended"
	}
	period := 1
	if v.Renew.Period != nil {
		period = *v.Renew.Period
	}
	return object{
		"serviceId": v.ID, "parentServiceId": nil,
		"route": object{
			"path": v.route(), "url": strings.Replace(v.route(), "{serviceName}", v.Name, 1), "vars": []object{{"key": "serviceName", "value": v.Name}},
		},
		"resource": object{
			"name": v.Name, "displayName": v.DisplayName, "state": state, "product": object{"name": v.Product, "description": v.PlanName}, "resellingProvider": nil,
		},
		"billing": object{
			"nextBillingDate": stamp(v.Expires), "expirationDate": stamp(v.Expires), "plan": object{"code": v.Plan, "invoiceName": v.PlanName},
			"pricing": object{
				"capacities": []string{"renew"}, "description": "rental for 1 month", "duration": fmt.Sprintf("P%dM", period), "interval": period,
				"price": price(v.Monthly), "priceInUcents": int64(v.Monthly), "pricingMode": "default", "pricingType": "rental",
			},
			"group": nil, "engagement": nil, "engagementRequest": nil,
			"lifecycle": object{
				"capacities": object{"actions": []string{"earlyRenewal", "terminateAtExpirationDate"}},
				"current":    object{"creationDate": stamp(v.Created), "pendingActions": pending, "state": state, "terminationDate": ends},
			},
			"renew": object{
				"capacities": object{"mode": []string{"automatic", "manual"}},
				"current":    object{"mode": mode, "nextDate": stamp(v.Expires), "period": fmt.Sprintf("P%dM", period)},
			},
		},
		"customer": object{"contacts": []object{{"customerCode": c.s.credential.account, "type": "administrator"}}},
		"tags":     []string{},
	}, nil
}

func (c *call) putService() (any, error) {
	v, err := c.service()
	if err != nil {
		return nil, err
	}
	var in struct {
		DisplayName *string `json:"displayName"`
		Policy      *string `json:"terminationPolicy"`
		Renew       *struct {
			Mode   string `json:"mode"`
			Period string `json:"period"`
		} `json:"renew"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Renew != nil {
		v.Renew.Automatic = in.Renew.Mode == "automatic"
		months := 0
		if _, err := fmt.Sscanf(in.Renew.Period, "P%dM", &months); err == nil {
			v.Renew.Period = &months
		}
	}
	if in.DisplayName != nil {
		c.s.rename(v, *in.DisplayName)
	}
	if in.Policy != nil {
		switch *in.Policy {
		case "empty":
			if v.Renew.DeleteAtExpiration {
				v.Renew.Automatic = true
			}
			c.s.leave(v, false)
		case "terminateAtExpirationDate", "terminateAtEngagementDate":
			c.s.leave(v, true)
		default:
			return nil, badRequest("Client::BadRequest", "[terminationPolicy] Given data (%s) does not belong to the TerminationPolicyEnum enumeration", *in.Policy)
		}
	}
	return nil, nil
}

func (c *call) terminateService() (any, error) {
	v, err := c.service()
	if err != nil {
		return nil, err
	}
	c.s.askEnd(v)
	return object{"message": "A confirmation e-mail has been sent"}, nil
}

func (c *call) confirmService() (any, error) {
	v, err := c.service()
	if err != nil {
		return nil, err
	}
	var in struct {
		Token       string `json:"token"`
		Acknowledge bool   `json:"acknowledgePotentialFees"`
		Reason      string `json:"reason"`
		FutureUse   string `json:"futureUse"`
		Commentary  string `json:"commentary"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := c.s.confirmEnd(v, in.Token); err != nil {
		return nil, err
	}
	return object{"message": "Termination confirmed"}, nil
}

// resource finds a living service by its URN.
func (c *call) resource() (*service, error) {
	for _, id := range sortedKeys(c.s.st.Services) {
		if v := c.s.st.Services[id]; v.urn() == c.param("resourceURN") && v.Ended.IsZero() {
			return v, nil
		}
	}
	return nil, notFound("Resource %s not found", c.param("resourceURN"))
}

func (c *call) renderResource(v *service) object {
	kind := map[string]string{KindDedicated: "dedicatedServer", KindVPS: "vps", kindVrack: "vrack"}[v.Kind]
	return object{
		"id": v.UUID, "urn": v.urn(), "name": v.Name, "displayName": c.s.iamName(v), "owner": c.s.credential.account, "type": kind, "tags": v.Tags,
	}
}

func (c *call) listResources() (any, error) {
	out := []object{}
	for _, id := range sortedKeys(c.s.st.Services) {
		v := c.s.st.Services[id]
		r := c.renderResource(v)
		if v.Kind != KindInstance && v.Ended.IsZero() && c.matches("resourceName", v.Name) && c.matches("resourceType", r["type"].(string)) {
			out = append(out, r)
		}
	}
	return out, nil
}

func (c *call) getResource() (any, error) {
	v, err := c.resource()
	if err != nil {
		return nil, err
	}
	return c.renderResource(v), nil
}

// tagText is what tags are made of. OVH does not write its limits down; these are the characters that every vendor's tags take.
var tagText = regexp.MustCompile(`^[A-Za-z0-9_.:/=+@-]+$`)

// addTag sets a tag; one that was there gets the new value.
func (c *call) addTag() (any, error) {
	v, err := c.resource()
	if err != nil {
		return nil, err
	}
	var in struct{ Key, Value string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Key == "" || strings.HasPrefix(in.Key, "ovh:") || !tagText.MatchString(in.Key) || len(in.Key) > 128 || len(in.Value) > 256 || in.Value != "" && !tagText.MatchString(in.Value) {
		return nil, badRequest("Client::BadRequest", "Invalid tag %s", in.Key)
	}
	v.Tags[in.Key] = in.Value
	return nil, nil
}

func (c *call) deleteTag() (any, error) {
	v, err := c.resource()
	if err != nil {
		return nil, err
	}
	if _, ok := v.Tags[c.param("key")]; !ok {
		return nil, notFound("Tag %s not found", c.param("key"))
	}
	delete(v.Tags, c.param("key"))
	return nil, nil
}
