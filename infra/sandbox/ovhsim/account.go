package ovhsim

import (
	"slices"
	"strings"
)

// paymentMethod is the one registered, preferred payment method.
const paymentMethod int64 = 12345

func (c *call) me() (any, error) {
	return object{
		"address": "1 rue du Port", "area": "", "birthCity": nil, "birthDay": nil, "city": "Roubaix", "companyNationalIdentificationNumber": nil,
		"complementaryAddress": nil, "corporationType": "SAS", "country": "FR", "currency": object{"code": "EUR", "symbol": "€"}, "customerCode": "1234-5678-90",
		"email": "ops@example.com", "fax": "", "firstname": "Ada", "italianSDI": nil, "kycValidated": false, "language": "fr_FR", "legalform": "corporation",
		"name": "Ops", "nationalIdentificationNumber": nil, "nichandle": c.s.credential.account, "organisation": "Example SAS", "ovhCompany": "ovh",
		"ovhSubsidiary": "FR", "phone": "+33.100000000", "phoneCountry": "FR", "phoneType": nil, "purposeOfPurchase": nil, "sex": nil, "spareEmail": nil,
		"state": "complete", "vat": "FR00000000000", "zip": "59100",
	}, nil
}

func (c *call) listPaymentMethods() (any, error) {
	if c.query.Get("default") == "false" || !c.matches("status", "VALID") {
		return []int64{}, nil
	}
	return []int64{paymentMethod}, nil
}

func (c *call) getPaymentMethod() (any, error) {
	id, err := c.number("paymentMethodId")
	if err != nil {
		return nil, err
	}
	if id != paymentMethod {
		return nil, noObject("paymentMethodId", id)
	}
	return object{
		"billingContactId": nil, "creationDate": stamp(accountSince), "default": true, "description": "company card", "expirationDate": "2031-12-31T00:00:00+00:00",
		"formSessionId": nil, "icon": object{"data": nil, "name": "visa", "url": nil}, "integration": "NONE", "label": "XXXXXXXXXXXX4242", "lastUpdate": stamp(accountSince),
		"merchantId": nil, "oneclick": true, "paymentMeanId": 777, "paymentMethodId": id, "paymentSubType": "VISA", "paymentType": "CREDIT_CARD", "status": "VALID",
	}, nil
}

func (c *call) listKeys() (any, error) {
	out := sortedKeys(c.s.st.SSHKeys)
	if out == nil {
		out = []string{}
	}
	return out, nil
}

// sshKeyTypes are those OVH takes.
var sshKeyTypes = []string{"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}

func validKey(line string) bool {
	fields := strings.Fields(line)
	return len(fields) >= 2 && slices.Contains(sshKeyTypes, fields[0]) && !strings.ContainsAny(strings.TrimSpace(line), "\r\n")
}

func (c *call) createKey() (any, error) {
	var in struct {
		Name string `json:"keyName"`
		Key  string `json:"key"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	switch {
	case in.Name == "":
		return nil, badRequest("Client::BadRequest", "Missing parameter(s): keyName")
	case !validKey(in.Key):
		return nil, badRequest("Client::BadRequest", "Invalid key")
	case c.s.st.SSHKeys[in.Name] != "":
		return nil, refusal(409, "Client::Conflict", "The key %s already exists", in.Name)
	}
	c.s.st.SSHKeys[in.Name] = in.Key
	return nil, nil
}

func (c *call) getKey() (any, error) {
	name := c.param("keyName")
	key, ok := c.s.st.SSHKeys[name]
	if !ok {
		return nil, noObject("keyName", name)
	}
	return object{"keyName": name, "key": key}, nil
}

func (c *call) deleteKey() (any, error) {
	name := c.param("keyName")
	if _, ok := c.s.st.SSHKeys[name]; !ok {
		return nil, noObject("keyName", name)
	}
	delete(c.s.st.SSHKeys, name)
	return nil, nil
}

func (c *call) listMails() (any, error) {
	out := []int64{}
	for _, m := range slices.Backward(c.s.st.Mails) {
		out = append(out, m.ID)
	}
	return out, nil
}

func (c *call) getMail() (any, error) {
	id, err := c.number("id")
	if err != nil {
		return nil, err
	}
	for _, m := range c.s.st.Mails {
		if m.ID == id {
			return object{"id": m.ID, "date": stamp(m.Date), "subject": m.Subject, "body": m.Body}, nil
		}
	}
	return nil, noObject("id", id)
}
