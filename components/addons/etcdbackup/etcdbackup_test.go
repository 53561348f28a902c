package etcdbackup

import (
	"testing"
	"time"
)

func args() Args {
	return Args{
		Repository: "https://s3.example/bucket/prod", Region: "eu", AccessKey: "access", SecretKey: "secret", Password: "pass/word+=", Every: time.Hour, KeepHourly: 48, KeepDaily: 35,
	}
}

// etcd.sh reads this line with sed: flat, nothing escaped.
func TestSettings(t *testing.T) {
	const want = `{"accessKey":"access","everySeconds":3600,"keepDaily":35,"keepHourly":48,"password":"pass/word+=","region":"eu","repository":"https://s3.example/bucket/prod","secretKey":"secret"}`
	if got, err := args().settings(); err != nil || got != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}

func TestValidate(t *testing.T) {
	if err := args().validate(); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		change func(*Args)
		want   string
	}{
		"repository": {func(a *Args) { a.Repository = "s3.example/bucket" }, `repository "s3.example/bucket" is not of the form https://host/bucket/folder`},
		"secrets are not repeated": {func(a *Args) { a.SecretKey, a.Password = `se"cret`, "" },
			"secret key is empty or has other characters than letters, digits and + / = _ . -; make another\n" +
				"password is empty or has other characters than letters, digits and + / = _ . -; make another"},
		"every": {func(a *Args) { a.Every = 1500 * time.Millisecond }, "every 1.5s is not of whole seconds above 0"},
		"keep":  {func(a *Args) { a.KeepDaily = 0 }, "48 hourly and 0 daily backups are kept; keep 1 of each at least"},
	} {
		a := args()
		c.change(&a)
		if err := a.validate(); err == nil || err.Error() != c.want {
			t.Errorf("%s\n got %v\nwant %s", name, err, c.want)
		}
	}
}
