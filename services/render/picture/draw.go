package picture

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// The layout, in pixels. The name stands in a band of its own that nothing else is drawn into, on a plain ground: that is what lets Shows
// compare a picture with a name glyph by glyph.
const (
	marginX     = 44
	lineWidth   = Width - 2*marginX
	headingY    = 52
	bandTop     = 68
	bandBottom  = 132
	nameY       = 114
	offerY      = 168
	offerStep   = 28
	offerSize   = 21
	headingSize = 15
	pillTop     = 206
	pillHeight  = 46
	priceSize   = 25
	priceY      = 238
	footY       = 287
	footSize    = 11
)

// nameSizes are tried from the largest on: the first at which the name fits its line is taken.
var nameSizes = [...]float64{46, 38, 30, 24}

var (
	ground  = color.RGBA{0xfb, 0xfa, 0xf7, 0xff}
	ink     = color.RGBA{0x12, 0x2b, 0x3a, 0xff}
	soft    = color.RGBA{0x5d, 0x70, 0x7c, 0xff}
	accent  = color.RGBA{0xd9, 0x4f, 0x30, 0xff}
	onPill  = color.RGBA{0xff, 0xff, 0xff, 0xff}
	stripeA = color.RGBA{0x0e, 0x74, 0x90, 0xff}
	stripeB = color.RGBA{0xd9, 0x4f, 0x30, 0xff}
)

// parsed holds the two fonts, parsed once: they are compiled in, so the error can only be a broken build.
var parsed = sync.OnceValues(func() (fonts struct{ regular, bold *sfnt.Font }, err error) {
	if fonts.regular, err = opentype.Parse(goregular.TTF); err != nil {
		return fonts, fmt.Errorf("parse the regular font: %w", err)
	}
	if fonts.bold, err = opentype.Parse(gobold.TTF); err != nil {
		return fonts, fmt.Errorf("parse the bold font: %w", err)
	}
	return fonts, nil
})

// faces are the fonts at the sizes in use. A face keeps buffers, so one drawing uses a set alone; sets are pooled.
type faces struct {
	heading, offer, price, foot font.Face
	names                       [len(nameSizes)]font.Face
}

var facePool sync.Pool

func borrowFaces() (*faces, error) {
	if f, ok := facePool.Get().(*faces); ok {
		return f, nil
	}
	fonts, err := parsed()
	if err != nil {
		return nil, err
	}
	f := &faces{}
	want := []struct {
		face *font.Face
		font *sfnt.Font
		size float64
	}{
		{&f.heading, fonts.bold, headingSize}, {&f.offer, fonts.regular, offerSize},
		{&f.price, fonts.bold, priceSize}, {&f.foot, fonts.regular, footSize},
	}
	for i, size := range nameSizes {
		want = append(want, struct {
			face *font.Face
			font *sfnt.Font
			size float64
		}{&f.names[i], fonts.bold, size})
	}
	for _, w := range want {
		// No hinting: glyph positions then do not depend on the neighbours' rounding.
		*w.face, err = opentype.NewFace(w.font, &opentype.FaceOptions{Size: w.size, DPI: 72, Hinting: font.HintingNone})
		if err != nil {
			return nil, fmt.Errorf("open a font at %g points: %w", w.size, err)
		}
	}
	return f, nil
}

func hasGlyph(r rune) bool {
	fonts, err := parsed()
	if err != nil {
		return false
	}
	var buffer sfnt.Buffer
	for _, f := range []*sfnt.Font{fonts.regular, fonts.bold} {
		if i, err := f.GlyphIndex(&buffer, r); err != nil || i == 0 {
			return false
		}
	}
	return true
}

// greeting is the line that carries the name.
func greeting(name string) string { return name + "," }

// nameFace is the largest face at which the greeting fits its line; ok is false where it fits at none.
func (f *faces) nameFace(name string) (face font.Face, ok bool) {
	for _, face := range f.names {
		if font.MeasureString(face, greeting(name)).Ceil() <= lineWidth {
			return face, true
		}
	}
	return nil, false
}

// wrap breaks the offer into lines that fit; ok is false where two lines are not enough.
func (f *faces) wrap(offer string) (lines []string, ok bool) {
	current := ""
	for word := range strings.SplitSeq(offer, " ") {
		longer := word
		if current != "" {
			longer = current + " " + word
		}
		if font.MeasureString(f.offer, longer).Ceil() <= lineWidth {
			current = longer
			continue
		}
		if current == "" || font.MeasureString(f.offer, word).Ceil() > lineWidth {
			return nil, false
		}
		lines, current = append(lines, current), word
	}
	lines = append(lines, current)
	return lines, len(lines) <= 2
}

func nameFits(name string) error {
	f, err := borrowFaces()
	if err != nil {
		return err
	}
	defer facePool.Put(f)
	if _, ok := f.nameFace(name); !ok {
		smallest := f.names[len(f.names)-1]
		return fmt.Errorf("name: is %d pixels wide in the smallest type; give a name of at most %d pixels (about 36 letters)",
			font.MeasureString(smallest, greeting(name)).Ceil(), lineWidth)
	}
	return nil
}

func offerFits(offer string) error {
	f, err := borrowFaces()
	if err != nil {
		return err
	}
	defer facePool.Put(f)
	if _, ok := f.wrap(offer); !ok {
		return fmt.Errorf("offer: does not fit two lines of %d pixels; give shorter text (about 90 letters, no word over 45)", lineWidth)
	}
	return nil
}

func priceFits(price string) error {
	f, err := borrowFaces()
	if err != nil {
		return err
	}
	defer facePool.Put(f)
	if width := font.MeasureString(f.price, price).Ceil(); width > lineWidth-40 {
		return fmt.Errorf("price: is %d pixels wide; give a price of at most %d pixels", width, lineWidth-40)
	}
	return nil
}

// canvases are the pixels of a drawing (720 kB each): a server that draws a thousand a second would otherwise spend its time in the collector.
var canvases = sync.Pool{New: func() any { return image.NewRGBA(image.Rect(0, 0, Width, Height)) }}

// background is drawn once: the plain ground, a gradient stripe on the left, and a rule above the foot.
var background = sync.OnceValue(func() *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, Width, Height))
	for y := range Height {
		stripe := blend(stripeA, stripeB, y, Height-1)
		for x := range Width {
			switch {
			case x < 14:
				m.SetRGBA(x, y, stripe)
			case y == Height-34 && x >= marginX && x < Width-marginX && (x/3)%2 == 0:
				m.SetRGBA(x, y, blend(soft, ground, 1, 2))
			default:
				m.SetRGBA(x, y, ground)
			}
		}
	}
	return m
})

// blend is the colour part/whole of the way from a to b.
func blend(a, b color.RGBA, part, whole int) color.RGBA {
	mix := func(x, y uint8) uint8 { return uint8((int(x)*(whole-part) + int(y)*part) / whole) }
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 0xff}
}

// draw paints a valid picture over every pixel of m.
func draw(m *image.RGBA, f *faces, p Picture) error {
	face, ok := f.nameFace(p.Name)
	if !ok {
		return nameFits(p.Name)
	}
	lines, ok := f.wrap(p.Offer)
	if !ok {
		return offerFits(p.Offer)
	}
	copy(m.Pix, background().Pix)
	write(m, f.heading, accent, marginX, headingY, strings.ToUpper(strings.ReplaceAll(p.Campaign, "-", " ")))
	write(m, face, ink, marginX, nameY, greeting(p.Name))
	for i, line := range lines {
		write(m, f.offer, ink, marginX, offerY+i*offerStep, line)
	}
	width := font.MeasureString(f.price, p.Price).Ceil()
	pill(m, image.Rect(marginX, pillTop, marginX+width+40, pillTop+pillHeight), accent)
	write(m, f.price, onPill, marginX+20, priceY, p.Price)
	write(m, f.foot, soft, marginX, footY, "made for reader "+p.Reader)
	return nil
}

// write draws one line of text with its base line at y.
func write(m *image.RGBA, face font.Face, c color.RGBA, x, y int, text string) {
	d := font.Drawer{Dst: m, Src: image.NewUniform(c), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(text)
}

// pill fills a rectangle with round ends, its edge smoothed over one pixel.
func pill(m *image.RGBA, r image.Rectangle, c color.RGBA) {
	radius := float64(r.Dy()) / 2
	cy := float64(r.Min.Y) + radius
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			px, py := float64(x)+0.5, float64(y)+0.5
			cx := min(max(px, float64(r.Min.X)+radius), float64(r.Max.X)-radius)
			// Squares instead of a root: exact on every machine, so the bytes are equal everywhere.
			d := (px-cx)*(px-cx) + (py-cy)*(py-cy)
			inner, outer := (radius-1)*(radius-1), radius*radius
			switch {
			case d <= inner:
				m.SetRGBA(x, y, c)
			case d < outer:
				m.SetRGBA(x, y, blend(c, m.RGBAAt(x, y), int((d-inner)/(outer-inner)*256), 256))
			}
		}
	}
}

// buffers lends the PNG encoder its compressor (300 kB) between pictures.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() *png.EncoderBuffer {
	e, _ := b.pool.Get().(*png.EncoderBuffer)
	return e
}

func (b *buffers) Put(e *png.EncoderBuffer) { b.pool.Put(e) }

// encoder is set for speed: the pictures are mostly flat, and the smaller levels cost five times the processor for a tenth of the bytes.
var encoder = png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &buffers{}}

var outputs = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// PNG draws the picture. The error is Validate's where the picture cannot be drawn.
func PNG(p Picture) ([]byte, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	f, err := borrowFaces()
	if err != nil {
		return nil, err
	}
	defer facePool.Put(f)
	m := canvases.Get().(*image.RGBA)
	defer canvases.Put(m)
	if err := draw(m, f, p); err != nil {
		return nil, err
	}
	out := outputs.Get().(*bytes.Buffer)
	defer outputs.Put(out)
	out.Reset()
	if err := encoder.Encode(out, m); err != nil {
		return nil, fmt.Errorf("encode the picture of reader %s: %w", p.Reader, err)
	}
	// A copy of the exact length: the pooled buffer's spare capacity must not live in the cache.
	return bytes.Clone(out.Bytes()), nil
}
