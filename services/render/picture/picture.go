// Package picture draws the personal picture of one reader of a mail, and checks that a picture shows the name it was asked for.
//
// Drawing is a pure function of the Picture: no clock, no randomness, no files, so the same request gives the same bytes on every node, a picture
// can be cached anywhere, and an entity tag can be computed without drawing. What a reader of this package would get wrong: the fonts do no
// shaping, so a rune without a glyph of its own (Arabic, Devanagari, combining accents, emoji) is refused with an error instead of drawn as a box.
package picture

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Version is part of every entity tag. Raise it whenever the same Picture gives other pixels, or clients keep the old picture for a day.
const Version = 1

// Width and Height are the size of every picture, in pixels: the width most mail templates give their content, at a 2:1 ratio.
const (
	Width  = 600
	Height = 300
)

// Limits of a Picture's fields, in runes. They hold the lines inside the picture and the memory of a request small.
const (
	MaxCampaign = 32
	MaxReader   = 64
	MaxName     = 40
	MaxOffer    = 90
	MaxPrice    = 16
)

// Picture is everything that a picture depends on. It is comparable, and serves as the cache's key.
type Picture struct {
	// Campaign is the identifier of the mailing, 1 to 32 of a-z, 0-9 and "-". It is drawn as the picture's small heading.
	Campaign string
	// Reader is the identifier of the reader, 1 to 64 of A-Z, a-z, 0-9, "-", "_" and ".". It is drawn as the small number at the foot.
	Reader string
	// Name is how the reader is called, 1 to 40 runes.
	Name string
	// Offer is what the reader is offered, 1 to 90 runes. It is wrapped on up to two lines.
	Offer string
	// Price is printed as given, currency included, 1 to 16 runes: "€ 24.90".
	Price string
}

// Tag is the strong entity tag of the picture, without quotes: a digest of the fields and of Version. It costs no drawing.
func (p Picture) Tag() string {
	h := sha256.New()
	fmt.Fprintf(h, "%d\x00%s\x00%s\x00%s\x00%s\x00%s", Version, p.Campaign, p.Reader, p.Name, p.Offer, p.Price)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Validate reports every field that cannot be drawn, joined into one error. It checks the length, the characters, and that the text fits its place.
func (p Picture) Validate() error {
	var errs []error
	errs = append(errs, identifier("campaign", p.Campaign, MaxCampaign, false))
	errs = append(errs, identifier("reader", p.Reader, MaxReader, true))
	checks := []struct {
		field, value string
		limit        int
		fits         func(string) error
	}{
		{"name", p.Name, MaxName, nameFits},
		{"offer", p.Offer, MaxOffer, offerFits},
		{"price", p.Price, MaxPrice, priceFits},
	}
	for _, c := range checks {
		err := text(c.field, c.value, c.limit)
		if err == nil {
			err = c.fits(c.value)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// identifier checks a value that also stands in addresses and log lines. Upper case, "_" and "." are taken where wide is set.
func identifier(field, value string, limit int, wide bool) error {
	alphabet := "a-z, 0-9 and -"
	if wide {
		alphabet = "A-Z, a-z, 0-9, -, _ and ."
	}
	if value == "" {
		return fmt.Errorf("%s: is missing; give 1 to %d of %s", field, limit, alphabet)
	}
	if len(value) > limit {
		return fmt.Errorf("%s: has %d bytes; give 1 to %d of %s", field, len(value), limit, alphabet)
	}
	for _, r := range value {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
		case wide && (r >= 'A' && r <= 'Z' || r == '_' || r == '.'):
		default:
			return fmt.Errorf("%s: %q has the character %q; give 1 to %d of %s", field, value, r, limit, alphabet)
		}
	}
	return nil
}

// text checks a value that is drawn.
func text(field, value string, limit int) error {
	if !utf8.ValidString(value) {
		return fmt.Errorf("%s: is not valid UTF-8; percent-encode the UTF-8 bytes of the text", field)
	}
	if value == "" {
		return fmt.Errorf("%s: is missing; give 1 to %d characters", field, limit)
	}
	if n := utf8.RuneCountInString(value); n > limit {
		return fmt.Errorf("%s: has %d characters; give 1 to %d", field, n, limit)
	}
	if strings.TrimSpace(value) != value || strings.Contains(value, "  ") {
		return fmt.Errorf("%s: %q has spaces at an end or two in a row; give words with single spaces between them", field, value)
	}
	for _, r := range value {
		if r != ' ' && (unicode.IsControl(r) || unicode.IsSpace(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r)) {
			return fmt.Errorf("%s: has %U, which is not a letter of its own; give composed characters (Unicode NFC) without control characters", field, r)
		}
		if !hasGlyph(r) {
			return fmt.Errorf("%s: has %q (%U), which the font cannot draw; give Latin, Greek or Cyrillic text", field, r, r)
		}
	}
	return nil
}
