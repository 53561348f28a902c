// Package people is whom the sandbox's pictures are drawn for: invented readers in a stack's database, so that there is somebody to look up, to copy and to scrub.
// The one thing a reader would get wrong: the simulator's side door is not used for it. A connection goes the way of a stack's own pods, with their Secret and from
// a worker's address, so that a database that refuses its stack shows here.
package people

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/crypto/ssh"

	"havre/components/database"
	"havre/infra/sandbox/ovhsim"
)

// Tables are those that the scrub rules of the described stacks speak of.
var Tables = []string{"readers", "campaigns", "openings"}

// Login connects to the database that a stack's pods are given by secret, the data of their Secret, from the host that way leads to.
func Login(ctx context.Context, secret map[string][]byte, way *ssh.Client) (*pgx.Conn, error) {
	folder, err := os.MkdirTemp("", "havre-people-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	if err := os.WriteFile(filepath.Join(folder, database.AuthorityFile), secret[database.AuthorityFile], 0o600); err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(strings.Replace(string(secret[database.KeyURL]), database.Folder, folder, 1))
	if err != nil {
		return nil, fmt.Errorf("the pods' Secret %s: %w", database.App, err)
	}
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		return way.DialContext(ctx, network, address)
	}
	return pgx.ConnectConfig(ctx, config)
}

// Fill makes the tables, and n readers with the ids r-1 to r-n who have each opened one mail. What is there already is left alone.
func Fill(ctx context.Context, conn *pgx.Conn, n int) error {
	for _, sql := range []string{
		"CREATE TABLE IF NOT EXISTS readers (id text PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL, last_ip inet)",
		"CREATE TABLE IF NOT EXISTS campaigns (id int PRIMARY KEY, name text NOT NULL)",
		"CREATE TABLE IF NOT EXISTS openings (reader text NOT NULL REFERENCES readers, campaign int NOT NULL REFERENCES campaigns, at timestamptz NOT NULL, PRIMARY KEY (reader, campaign))",
		"INSERT INTO campaigns VALUES (1, 'spring'), (2, 'summer') ON CONFLICT DO NOTHING",
		fmt.Sprintf(`INSERT INTO readers SELECT 'r-' || i, 'reader-' || i || '@mailbox-' || i %% 7 || '.test', 'Original Reader-' || i, ('203.0.113.' || i %% 250)::inet
FROM generate_series(1, %d) i ON CONFLICT DO NOTHING`, n),
		"INSERT INTO openings SELECT id, 1, '2026-05-01'::timestamptz FROM readers ON CONFLICT DO NOTHING",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// Name is that of the i-th reader.
func Name(i int) string { return fmt.Sprintf("Original Reader-%d", i) }

// BackUp has OVH back up the database that is described as stack's, by the simulator's control API, and waits until it has. OVH itself does it once a day.
func BackUp(ctx context.Context, control, stack string) error {
	look := func() (ovhsim.DatabaseView, error) {
		var all []ovhsim.DatabaseView
		if err := call(ctx, http.MethodGet, control+"/databases", &all); err != nil {
			return ovhsim.DatabaseView{}, err
		}
		for _, d := range all {
			if strings.HasPrefix(d.Description, "havre:havre/"+stack+"/") && d.Status != "DELETING" {
				return d, nil
			}
		}
		return ovhsim.DatabaseView{}, fmt.Errorf("stack %s has no database at the simulator; bring it up first", stack)
	}
	// The first may be one that had begun before the rows were there.
	for range 2 {
		was, err := look()
		if err != nil {
			return err
		}
		if err := call(ctx, http.MethodPost, control+"/databases/"+was.ID+"/backup", nil); err != nil {
			return err
		}
		for deadline := time.Now().Add(time.Minute); ; {
			is, err := look()
			if err != nil {
				return err
			}
			if is.Backups > was.Backups {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("database %s of stack %s: no backup within a minute; it has %d", is.ID, stack, is.Backups)
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return nil
}

func call(ctx context.Context, method, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s", method, url, response.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}
