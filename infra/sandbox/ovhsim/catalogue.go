package ovhsim

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The catalogues have the shape of GET /order/catalog/public/…, cut down to the plans this project can order. Prices of 21adv03 and 24rise03, their options
// and the 2027 VPS models 2 to 4 are public list prices (net, France); those of the options of 24adv03-v1, of the 2025 VPS models and of vps-2027-model1
// are estimates of the right size, because no public snapshot had them.
//
//go:embed catalogue/*.json
var catalogueFiles embed.FS

type catalogue struct {
	raw    json.RawMessage
	Plans  []plan `json:"plans"`
	Addons []plan `json:"addons"`
}

type plan struct {
	PlanCode       string         `json:"planCode"`
	Product        string         `json:"product"`
	InvoiceName    string         `json:"invoiceName"`
	Families       []addonFamily  `json:"addonFamilies"`
	Configurations []planSetting  `json:"configurations"`
	Pricings       []pricing      `json:"pricings"`
	Blobs          map[string]any `json:"blobs"`
}

type addonFamily struct {
	Name      string   `json:"name"`
	Addons    []string `json:"addons"`
	Default   string   `json:"default"`
	Exclusive bool     `json:"exclusive"`
	Mandatory bool     `json:"mandatory"`
}

type planSetting struct {
	Name      string   `json:"name"`
	Mandatory bool     `json:"isMandatory"`
	Values    []string `json:"values"`
}

type pricing struct {
	Capacities   []string    `json:"capacities"`
	Description  string      `json:"description"`
	Interval     int         `json:"interval"`
	IntervalUnit string      `json:"intervalUnit"`
	Mode         string      `json:"mode"`
	Phase        int         `json:"phase"`
	Price        int64       `json:"price"`
	Promotions   []promotion `json:"promotions"`
	Quantity     struct {
		Max *int `json:"max"`
		Min int  `json:"min"`
	} `json:"quantity"`
	Repeat struct {
		Max *int `json:"max"`
		Min int  `json:"min"`
	} `json:"repeat"`
}

type promotion struct {
	Description string    `json:"description"`
	Start       time.Time `json:"startDate"`
	End         time.Time `json:"endDate"`
	Discount    struct {
		Value int64 `json:"value"`
	} `json:"discount"`
}

// products are the catalogues by the word the cart's routes use.
var products = loadCatalogues("baremetalServers", "eco", "vps", "vrack")

func loadCatalogues(names ...string) map[string]*catalogue {
	out := map[string]*catalogue{}
	for _, name := range names {
		text, err := catalogueFiles.ReadFile("catalogue/" + name + ".json")
		c := &catalogue{raw: text}
		if err == nil {
			err = json.Unmarshal(text, c)
		}
		if err != nil {
			// The files are part of the program, and a test reads them all: an empty catalogue answers every order with "plan code not found".
			c = &catalogue{raw: json.RawMessage(fmt.Sprintf(`{"plans":[],"addons":[],"error":%q}`, err))}
		}
		out[name] = c
	}
	out["cloud"] = cloudCatalogue()
	return out
}

func findPlan(list []plan, code string) *plan {
	i := slices.IndexFunc(list, func(p plan) bool { return p.PlanCode == code })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// family is where an option belongs in a plan; nil when the plan does not take it.
func (p *plan) family(option string) *addonFamily {
	for i := range p.Families {
		if slices.Contains(p.Families[i].Addons, option) {
			return &p.Families[i]
		}
	}
	return nil
}

// amount is what one capacity of a plan costs, before and after promotions. ok is false when the plan is not sold that way.
func (p *plan) amount(capacity, mode string, rise int, now time.Time) (original, after money, ok bool) {
	for _, x := range p.Pricings {
		if x.Mode != mode || !slices.Contains(x.Capacities, capacity) {
			continue
		}
		original = money(x.Price + x.Price*int64(rise)/100)
		after = original
		for _, pr := range x.Promotions {
			if !now.Before(pr.Start) && now.Before(pr.End) {
				after -= money(pr.Discount.Value)
			}
		}
		return original, max(after, 0), true
	}
	return 0, 0, false
}

// sold says whether a pricing mode goes with a duration: default by the month, upfront12 by the year.
func sold(mode, duration string) bool {
	switch mode {
	case "default":
		return duration == "P1M"
	case "upfront12":
		return duration == "P12M"
	}
	return false
}

// offers lists how a plan can be bought, as the cart's product routes show it.
func (p *plan) offers(rise int) []object {
	out := []object{}
	for _, x := range p.Pricings {
		duration := "P1M"
		if x.Mode == "upfront12" {
			duration = "P12M"
		}
		m := money(x.Price + x.Price*int64(rise)/100)
		maximum := 100
		if x.Quantity.Max != nil {
			maximum = *x.Quantity.Max
		}
		offer := object{
			"capacities": x.Capacities, "description": x.Description, "duration": duration, "interval": x.Interval, "maximumQuantity": maximum,
			"maximumRepeat": x.Repeat.Max, "minimumQuantity": x.Quantity.Min, "minimumRepeat": x.Repeat.Min, "price": price(m),
			"priceInUcents": int64(m), "pricingMode": x.Mode, "pricingType": "rental",
		}
		out = append(out, offer)
	}
	return out
}

func (c *call) catalogue() (any, error) {
	cat, ok := products[c.param("product")]
	if !ok {
		return nil, notFound("The requested catalog (%s) does not exist", c.param("product"))
	}
	if err := subsidiary(c.query.Get("ovhSubsidiary")); err != nil {
		return nil, err
	}
	if rise := c.s.st.PriceRise; rise != 0 {
		return raised(cat.raw, rise)
	}
	return cat.raw, nil
}

// raised is a catalogue whose every price went up.
func raised(raw json.RawMessage, rise int) (any, error) {
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, internal("catalogue: %v", err)
	}
	for _, list := range []string{"plans", "addons"} {
		plans, _ := all[list].([]any)
		for _, p := range plans {
			entry, _ := p.(map[string]any)
			pricings, _ := entry["pricings"].([]any)
			for _, x := range pricings {
				if fields, ok := x.(map[string]any); ok {
					for _, name := range []string{"price", "tax"} {
						if v, ok := fields[name].(float64); ok {
							fields[name] = int64(v) + int64(v)*int64(rise)/100
						}
					}
				}
			}
		}
	}
	return all, nil
}

// subsidiaries are those of the European endpoint; the case matters.
var subsidiaries = strings.Fields("CZ DE ES EU FI FR GB IE IT LT MA NL PL PT SN TN")

func subsidiary(code string) error {
	if !slices.Contains(subsidiaries, code) {
		return badRequest("Client::BadRequest", "invalid ovhSubsidiary")
	}
	return nil
}

// place is a data centre as orders name it, and what its servers say.
type place struct{ datacenter, region, zone, country, cluster, geolocation string }

var places = map[string]place{
	"rbx":          {"rbx8", "eu-west-rbx", "europe", "fr", "os-rbx1", "fr"},
	"gra":          {"gra3", "eu-west-gra", "europe", "fr", "os-gra6", "fr"},
	"sbg":          {"sbg5", "eu-west-sbg", "europe", "fr", "os-sbg7", "fr"},
	"fra":          {"lim3", "eu-west-lim", "europe", "de", "os-de2", "de"},
	"lon":          {"eri1", "eu-west-eri", "europe", "gb", "os-uk2", "uk"},
	"waw":          {"waw1", "eu-central-waw", "europe", "pl", "os-waw2", "pl"},
	"bhs":          {"bhs8", "ca-east-bhs", "canada", "ca", "os-bhs7", "ca"},
	"sgp":          {"sgp1", "ap-southeast-sgp", "asia", "sg", "os-sgp1", "sg"},
	"syd":          {"syd1", "ap-southeast-syd", "asia", "au", "os-syd1", "au"},
	"de":           {"lim3", "eu-west-lim", "europe", "de", "os-de2", "de"},
	"uk":           {"eri1", "eu-west-eri", "europe", "gb", "os-uk2", "uk"},
	"eu-south-mil": {"mr901", "eu-south-mil", "europe", "it", "os-mil1", "it"},
}

// soldOut says whether a plan is gone in a data centre.
func (s *Simulator) soldOut(planCode, datacenter string) bool {
	return s.st.SoldOut[planCode+"@"] || s.st.SoldOut[planCode+"@"+strings.ToLower(datacenter)]
}

func (c *call) serverAvailabilities() (any, error) {
	wanted := strings.FieldsFunc(strings.ToLower(c.query.Get("datacenters")), func(r rune) bool { return r == ',' })
	exclude := c.query.Get("excludeDatacenters") == "true"
	out := []object{}
	seen := map[string]bool{}
	for _, name := range []string{"baremetalServers", "eco"} {
		cat := products[name]
		for _, p := range cat.Plans {
			if seen[p.PlanCode] || !c.matches("planCode", p.PlanCode) || !c.matches("server", p.Product) {
				continue
			}
			seen[p.PlanCode] = true
			out = append(out, c.planAvailabilities(cat, &p, wanted, exclude)...)
		}
	}
	if len(out) == 0 {
		return nil, notFound("No availabilities found for these parameters")
	}
	return out, nil
}

// matches says whether a query filter is absent or equal.
func (c *call) matches(key, value string) bool {
	got := c.query.Get(key)
	return got == "" || got == value
}

func (c *call) planAvailabilities(cat *catalogue, p *plan, wanted []string, exclude bool) []object {
	segments := func(family string) []string {
		var out []string
		for _, f := range p.Families {
			if f.Name != family {
				continue
			}
			for _, code := range f.Addons {
				if a := findPlan(cat.Addons, code); a != nil {
					out = append(out, a.Product)
				}
			}
		}
		return out
	}
	var centres []string
	for _, setting := range p.Configurations {
		if setting.Name == "dedicated_datacenter" {
			centres = setting.Values
		}
	}
	out := []object{}
	for _, memory := range segments("memory") {
		for _, storage := range segments("storage") {
			if !c.matches("memory", memory) || !c.matches("storage", storage) {
				continue
			}
			list := []object{}
			for _, dc := range centres {
				if len(wanted) > 0 && slices.Contains(wanted, dc) == exclude {
					continue
				}
				label := "1H-high"
				if dc == "fra" || dc == "waw" {
					label = "72H"
				}
				if c.s.soldOut(p.PlanCode, dc) {
					label = "unavailable"
				}
				list = append(list, object{"datacenter": dc, "availability": label})
			}
			out = append(out, object{
				"fqn": p.PlanCode + "." + memory + "." + storage, "planCode": p.PlanCode, "server": p.Product, "memory": memory, "storage": storage,
				"systemStorage": nil, "gpu": nil, "datacenters": list,
			})
		}
	}
	return out
}

func (c *call) vpsDatacenters() (any, error) {
	if err := subsidiary(c.query.Get("ovhSubsidiary")); err != nil {
		return nil, err
	}
	code := c.query.Get("planCode")
	p := findPlan(products["vps"].Plans, code)
	if p == nil {
		return nil, badRequest("Client::BadRequest", "Plan code not found %s", code)
	}
	list := []object{}
	for _, setting := range p.Configurations {
		if setting.Name != "vps_datacenter" {
			continue
		}
		for _, dc := range setting.Values {
			status := "available"
			if c.s.soldOut(code, dc) {
				status = "out-of-stock"
			}
			list = append(list, object{"datacenter": dc, "status": status})
		}
	}
	return object{"datacenters": list}, nil
}
