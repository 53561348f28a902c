package stacks

import (
	"regexp"
	"strings"
)

// HoursPerMonth makes a month's price of an hour's, as OVH's catalogue does: 365 days of 24 hours by twelve.
const HoursPerMonth = 730

// regionSyntax is that of Public Cloud's regions: GRA11, RBX-A, EU-WEST-PAR.
var regionSyntax = regexp.MustCompile(`^[A-Z]{2,3}[A-Z0-9-]*$`)

// instance checks a node that is billed by the hour, and that nothing is lost with it.
func (v *validation) instance(n Node) {
	o := n.Offer
	if v.stack.Name == "prod" {
		v.wrong("node %s: an instance serves no readers, since it ends with all that is on it when somebody deletes it, and costs more than a server after a few days; make it a dedicated server or a VPS", n.Name)
	}
	if db := v.stack.Database; db.Engine != "" && db.ForkOf == "" {
		v.wrong("node %s: an instance beside a database of the stack's own, which nothing brings back when the stack is torn down; fork another stack's in Database.ForkOf, or make the node a server", n.Name)
	}
	if o.Catalogue != CatalogueCloud {
		v.wrong("node %s: catalogue %q does not sell instances; wanted cloud: mend it", n.Name, o.Catalogue)
	}
	if strings.HasPrefix(o.PlanCode, "d2-") && n.Has(RoleWorker) {
		v.wrong("node %s: a worker of flavor %s, whose cores are shared; choose one of the families b3 or c3", n.Name, o.PlanCode)
	}
	if len(o.Options) > 0 {
		v.wrong("node %s: %d options of an instance, which has none; remove them", n.Name, len(o.Options))
	}
	if o.PricingMode != "hourly" || o.Duration != "" {
		v.wrong("node %s: pricing mode %q and duration %q of an instance; use hourly, and no duration", n.Name, o.PricingMode, o.Duration)
	}
	if o.OS != "Debian 12" {
		v.wrong("node %s: operating system %q is not Debian 12, for which the host scripts are written; mend it", n.Name, o.OS)
	}
	if want := (Money{Units: o.Hourly.Units * HoursPerMonth, Currency: o.Hourly.Currency}); o.Hourly.Units <= 0 || o.Monthly != want {
		v.wrong("node %s: %s an hour and %s a month; wanted an hour's price above zero, and %d times that a month: mend Offer.Hourly and Offer.Monthly", n.Name, o.Hourly, o.Monthly, HoursPerMonth)
	}
	if site, found := v.stack.site(n.Site); found && !regionSyntax.MatchString(site.CloudRegion) {
		v.wrong("node %s: site %s has the region %q of Public Cloud; set its CloudRegion to one like GRA11", n.Name, n.Site, site.CloudRegion)
	}
	if !projectSyntax.MatchString(v.stack.Account.CloudProject) {
		v.wrong("node %s: project %q is not 32 hexadecimal digits; set Account.CloudProject to what OVH's manager shows", n.Name, v.stack.Account.CloudProject)
	}
	if n.Generation > 1 || n.Rescue || n.NoRenewal || n.Adopt != "" {
		v.wrong("node %s: generation %d, rescue %t, no renewal %t and adopted %q of an instance, which is ended and made anew instead; clear them, with generation 1,", n.Name, n.Generation, n.Rescue, n.NoRenewal, n.Adopt)
	}
}
