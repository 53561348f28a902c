package picture

import (
	"fmt"
	"image"
	"image/color"

	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
)

// tolerance is how far a pixel's ink may be from the expected (0–255): a picture that went through a colour conversion still passes, another letter
// does not, as letters differ by fully covered pixels.
const tolerance = 64

// Shows reports whether the picture shows the reader's name in its place: nil if so, else an error that says what is wrong with it. The name is
// drawn anew and compared with the picture's name band, pixel by pixel, and every glyph must agree: one other letter, another case, an accent, a letter more or
// less is refused. Names that are drawn with equal pixels (Latin "a" and Cyrillic "а") cannot be told apart by any reader, nor by this.
func Shows(m image.Image, name string) error {
	if err := text("name", name, MaxName); err != nil {
		return err
	}
	if err := nameFits(name); err != nil {
		return err
	}
	b := m.Bounds()
	if b.Dx() != Width || b.Dy() != Height {
		return fmt.Errorf("the picture is %d×%d pixels; wanted %d×%d", b.Dx(), b.Dy(), Width, Height)
	}
	f, err := borrowFaces()
	if err != nil {
		return err
	}
	defer facePool.Put(f)
	face, _ := f.nameFace(name)

	want := image.NewAlpha(image.Rect(0, bandTop, Width, bandBottom))
	d := font.Drawer{Dst: want, Src: image.Opaque, Face: face, Dot: fixed.P(marginX, nameY)}
	d.DrawString(greeting(name))

	wrong, total := 0, 0
	first := -1
	for x := marginX / 2; x < Width; x++ {
		for y := bandTop; y < bandBottom; y++ {
			expected := int(want.AlphaAt(x, y).A)
			found, ok := inkAt(m.At(b.Min.X+x, b.Min.Y+y))
			if expected > 0 {
				total++
			}
			if !ok || abs(found-expected) > tolerance {
				wrong++
				if first < 0 {
					first = x
				}
			}
		}
	}
	if wrong > 0 {
		return fmt.Errorf("the picture does not show the name %q: %d pixels differ from its %d, the first at column %d, in %q",
			name, wrong, total, first, glyphAt(face, name, first))
	}
	return nil
}

// inkAt is how much of the ground is covered by ink in a pixel, 0 to 255; ok is false for a colour that no mix of the two gives.
func inkAt(c color.Color) (coverage int, ok bool) {
	p := color.RGBAModel.Convert(c).(color.RGBA)
	share := func(value, from, to uint8) int { return (int(from) - int(value)) * 255 / (int(from) - int(to)) }
	r, g, b := share(p.R, ground.R, ink.R), share(p.G, ground.G, ink.G), share(p.B, ground.B, ink.B)
	low, high := min(r, g, b), max(r, g, b)
	return (r + g + b) / 3, high-low <= tolerance && p.A == 0xff
}

// glyphAt is the part of the greeting up to and including the glyph at column x: it tells a reader of the error where names part.
func glyphAt(face font.Face, name string, x int) string {
	line := greeting(name)
	for i, r := range line {
		end := i + len(string(r))
		if marginX+font.MeasureString(face, line[:end]).Ceil() >= x {
			return line[:end]
		}
	}
	return line
}

func abs(n int) int { return max(n, -n) }
