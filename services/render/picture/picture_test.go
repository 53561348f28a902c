package picture

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

func sample() Picture {
	return Picture{Campaign: "spring-sale", Reader: "r-0001", Name: "Ada Lovelace", Offer: "Two nights by the sea in Étretat, breakfast included", Price: "€ 189.00"}
}

func decode(t testing.TB, data []byte) image.Image {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return m
}

func mustPNG(t testing.TB, p Picture) []byte {
	t.Helper()
	data, err := PNG(p)
	if err != nil {
		t.Fatalf("PNG(%+v): %v", p, err)
	}
	return data
}

// The golden is compared by pixels, not by bytes: a new Go release may compress otherwise. Its pixels' digest stands in the test, so that a change of the
// drawing cannot pass with -update alone: it also asks for a new Version.
func TestGolden(t *testing.T) {
	path := filepath.Join("testdata", "ada.png")
	data := mustPNG(t, sample())
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run go test ./services/render/picture -update", err)
	}
	got, want := decode(t, data), decode(t, golden)
	for y := range Height {
		for x := range Width {
			if got.At(x, y) != want.At(x, y) {
				t.Fatalf("pixel %d,%d is %v, the golden has %v: raise Version and run with -update", x, y, got.At(x, y), want.At(x, y))
			}
		}
	}
	const pixelsOfVersion1 = "233a1d7bc182e430452b9a6b0f23c80a4dba75e27d57bd076c7512f8709021d8"
	sum := sha256.Sum256(toRGBA(got).Pix)
	if digest := hex.EncodeToString(sum[:]); digest != pixelsOfVersion1 {
		t.Errorf("the pixels' digest is %s; Version %d has %s: raise Version and write the new digest here", digest, Version, pixelsOfVersion1)
	}
}

func toRGBA(m image.Image) *image.RGBA {
	out := image.NewRGBA(m.Bounds())
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			out.Set(x, y, m.At(x, y))
		}
	}
	return out
}

func TestDrawingIsDeterministic(t *testing.T) {
	want := mustPNG(t, sample())
	other := sample()
	other.Name = "Someone Else Entirely"
	for range 5 {
		mustPNG(t, other) // dirties the pooled canvas
		if !bytes.Equal(mustPNG(t, sample()), want) {
			t.Fatal("the same picture gave other bytes")
		}
	}
}

func TestEveryFieldChangesTheTagAndThePixels(t *testing.T) {
	base := sample()
	tags := map[string]string{base.Tag(): "base"}
	for field, change := range map[string]func(*Picture){
		"campaign": func(p *Picture) { p.Campaign = "autumn" },
		"reader":   func(p *Picture) { p.Reader = "r-0002" },
		"name":     func(p *Picture) { p.Name = "Alan Turing" },
		"offer":    func(p *Picture) { p.Offer = "Three nights" },
		"price":    func(p *Picture) { p.Price = "€ 190.00" },
	} {
		p := base
		change(&p)
		if before, ok := tags[p.Tag()]; ok {
			t.Errorf("%s has the tag of %s", field, before)
		}
		tags[p.Tag()] = field
		if bytes.Equal(mustPNG(t, p), mustPNG(t, base)) {
			t.Errorf("another %s gives the same picture", field)
		}
	}
	joined := Picture{Campaign: "a", Reader: "bc"}
	split := Picture{Campaign: "ab", Reader: "c"}
	if joined.Tag() == split.Tag() {
		t.Error("fields run into each other in the tag")
	}
}

func TestShowsAcceptsItsName(t *testing.T) {
	for _, name := range []string{"Ada Lovelace", "I", "Ωμέγα", "Владимир", "Zoë Müller-Łukasiewicz", "iiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiiii", "WWWWWWWWWWWWWWWWWWWW", "O'Neill", "Çağrı", "Ångström j"} {
		p := sample()
		p.Name = name
		if err := Shows(decode(t, mustPNG(t, p)), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShowsRefusesLookAlikes(t *testing.T) {
	pairs := [][2]string{
		{"Ada Lovelace", "Ada Lovelage"}, {"Ada Lovelace", "Ada Lovelac"}, {"Ada Lovelac", "Ada Lovelace"}, {"Ada Lovelace", "Ida Lovelace"},
		{"Ill", "Il1"}, {"Ill", "lll"}, {"Ill", "III"}, {"Otto", "0tto"}, {"Zoe", "Zoë"}, {"Rene", "René"}, {"Ada", "ada"}, {"rn", "m"},
		{"Ada  L", "Ada L"}, {"Ann", "Anm"}, {"cl", "d"}, {"vv", "w"}, {"Ana", "Aña"}, {"Anna", "Anna."}, {"Ann,", "Ann"}, {"e", "c"}, {"u", "ü"},
	}
	for _, pair := range pairs {
		if strings.Contains(pair[0], "  ") {
			continue // not a valid name: it cannot be drawn at all
		}
		p := sample()
		p.Name = pair[0]
		err := Shows(decode(t, mustPNG(t, p)), pair[1])
		if err == nil {
			t.Errorf("a picture of %q passes for %q", pair[0], pair[1])
		} else if !strings.Contains(err.Error(), "does not show the name") {
			t.Errorf("%q for %q: unexpected error %v", pair[0], pair[1], err)
		}
	}
}

// Every pair of letters that the font draws differently must be told apart, at the end of a name where little ink differs.
func TestShowsTellsEveryLetter(t *testing.T) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	for i, drawn := range letters {
		p := sample()
		p.Name = "Mona " + string(drawn)
		m := decode(t, mustPNG(t, p))
		// The comparison does not know which of the two was asked for, so each pair once.
		for _, asked := range letters[i:] {
			err := Shows(m, "Mona "+string(asked))
			if (err == nil) != (drawn == asked) {
				t.Fatalf("drawn %q, asked %q: %v", drawn, asked, err)
			}
		}
	}
}

func TestShowsRefusesOtherPictures(t *testing.T) {
	blank := image.NewRGBA(image.Rect(0, 0, Width, Height))
	for i := range blank.Pix {
		blank.Pix[i] = 0xff
	}
	shifted := toRGBA(decode(t, mustPNG(t, sample())))
	copy(shifted.Pix, shifted.Pix[4:])
	red := toRGBA(decode(t, mustPNG(t, sample())))
	red.SetRGBA(100, 100, color.RGBA{0xff, 0, 0, 0xff})
	for _, test := range []struct {
		name, want string
		m          image.Image
	}{
		{"blank", "does not show the name", blank},
		{"shifted by a pixel", "does not show the name", shifted},
		{"a red pixel", "does not show the name", red},
		{"another size", "the picture is 10×10 pixels; wanted 600×300", image.NewRGBA(image.Rect(0, 0, 10, 10))},
	} {
		if err := Shows(test.m, "Ada Lovelace"); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, wanted %q", test.name, err, test.want)
		}
	}
	if err := Shows(blank, ""); err == nil || err.Error() != "name: is missing; give 1 to 40 characters" {
		t.Errorf("an empty name: %v", err)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name   string
		mutate func(*Picture)
		want   string
	}{
		{"valid", func(p *Picture) {}, ""},
		{"campaign missing", func(p *Picture) { p.Campaign = "" }, "campaign: is missing; give 1 to 32 of a-z, 0-9 and -"},
		{"campaign long", func(p *Picture) { p.Campaign = strings.Repeat("a", 33) }, "campaign: has 33 bytes; give 1 to 32 of a-z, 0-9 and -"},
		{"campaign case", func(p *Picture) { p.Campaign = "Sale" }, `campaign: "Sale" has the character 'S'; give 1 to 32 of a-z, 0-9 and -`},
		{"reader missing", func(p *Picture) { p.Reader = "" }, "reader: is missing; give 1 to 64 of A-Z, a-z, 0-9, -, _ and ."},
		{"reader slash", func(p *Picture) { p.Reader = "../x" }, `reader: "../x" has the character '/'; give 1 to 64 of A-Z, a-z, 0-9, -, _ and .`},
		{"name missing", func(p *Picture) { p.Name = "" }, "name: is missing; give 1 to 40 characters"},
		{"name long", func(p *Picture) { p.Name = strings.Repeat("i", 41) }, "name: has 41 characters; give 1 to 40"},
		{"name wide", func(p *Picture) { p.Name = strings.Repeat("W", 40) }, "name: is 913 pixels wide in the smallest type; give a name of at most 512 pixels (about 36 letters)"},
		{"name not UTF-8", func(p *Picture) { p.Name = "\xff" }, "name: is not valid UTF-8; percent-encode the UTF-8 bytes of the text"},
		{"name spaces", func(p *Picture) { p.Name = " Ada" }, `name: " Ada" has spaces at an end or two in a row; give words with single spaces between them`},
		{"name control", func(p *Picture) { p.Name = "A\nb" }, "name: has U+000A, which is not a letter of its own; give composed characters (Unicode NFC) without control characters"},
		{"name combining", func(p *Picture) { p.Name = "Zoe\u0308" }, "name: has U+0308, which is not a letter of its own; give composed characters (Unicode NFC) without control characters"},
		{"name invisible", func(p *Picture) { p.Name = "A\u200bda" }, "name: has U+200B, which is not a letter of its own; give composed characters (Unicode NFC) without control characters"},
		{"name emoji", func(p *Picture) { p.Name = "Ada 🎉" }, "name: has '🎉' (U+1F389), which the font cannot draw; give Latin, Greek or Cyrillic text"},
		{"name Chinese", func(p *Picture) { p.Name = "李" }, "name: has '李' (U+674E), which the font cannot draw; give Latin, Greek or Cyrillic text"},
		{"offer missing", func(p *Picture) { p.Offer = "" }, "offer: is missing; give 1 to 90 characters"},
		{"offer wide", func(p *Picture) { p.Offer = strings.Repeat("W", 60) }, "offer: does not fit two lines of 512 pixels; give shorter text (about 90 letters, no word over 45)"},
		{"offer three lines", func(p *Picture) { p.Offer = strings.TrimSpace(strings.Repeat("MMMM ", 18)) }, "offer: does not fit two lines of 512 pixels; give shorter text (about 90 letters, no word over 45)"},
		{"price missing", func(p *Picture) { p.Price = "" }, "price: is missing; give 1 to 16 characters"},
		{"price long", func(p *Picture) { p.Price = strings.Repeat("9", 17) }, "price: has 17 characters; give 1 to 16"},
		{"several", func(p *Picture) { p.Campaign, p.Price = "", "" }, "campaign: is missing; give 1 to 32 of a-z, 0-9 and -\nprice: is missing; give 1 to 16 characters"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := sample()
			test.mutate(&p)
			got := ""
			if err := p.Validate(); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if _, err := PNG(p); (err == nil) != (test.want == "") {
				t.Errorf("PNG: %v", err)
			}
		})
	}
}

// FuzzPNG holds that what Validate takes is drawn, is a PNG, and shows its name; and that nothing else is drawn.
func FuzzPNG(f *testing.F) {
	f.Add("spring-sale", "r-1", "Ada", "Two nights", "€ 1")
	f.Add("", "", "", "", "")
	f.Add("a", "b", "\u202eevil", "x", "9")
	f.Add("a", "b", "ﬁ ﬂ", "x", "9")
	f.Add("a", "b", "٣", "\x00", "\xff")
	f.Fuzz(func(t *testing.T, campaign, reader, name, offer, price string) {
		p := Picture{Campaign: campaign, Reader: reader, Name: name, Offer: offer, Price: price}
		data, err := PNG(p)
		if valid := p.Validate() == nil; valid != (err == nil) {
			t.Fatalf("Validate says %v, PNG says %v", valid, err)
		}
		if err != nil {
			return
		}
		if err := Shows(decode(t, data), name); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkPNG reports the processor time of a picture beside the time on the clock, which grows with what else runs on the machine. A stack's
// Render.CPUPerRequest is set from the cpu-ms/op of BenchmarkPNGParallel.
func BenchmarkPNG(b *testing.B) {
	p := sample()
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		if _, err := PNG(p); err != nil {
			b.Fatal(err)
		}
	}
	reportProcessorTime(b, before)
}

func reportProcessorTime(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(processorTime(b)-before)/float64(time.Millisecond)/float64(b.N), "cpu-ms/op")
}

// processorTime is what this process has used so far, garbage collection included.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkPNGParallel draws on every processor at once, as at a peak: threads that share a core, and its caches, are slower than one alone.
func BenchmarkPNGParallel(b *testing.B) {
	p := sample()
	b.ReportAllocs()
	before := processorTime(b)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := PNG(p); err != nil {
				b.Error(err)
			}
		}
	})
	reportProcessorTime(b, before)
}

// The pools hold: a picture costs few allocations, none of them the canvas. The bound is far above what is measured (see BenchmarkPNG) and far below a
// drawing that allocates per pixel.
func TestDrawingAllocatesLittle(t *testing.T) {
	p := sample()
	mustPNG(t, p)
	if n := testing.AllocsPerRun(20, func() { mustPNG(t, p) }); n > 600 {
		t.Errorf("a picture costs %.0f allocations; wanted at most 600", n)
	}
}
