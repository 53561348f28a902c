// Package tools builds the pinned tools of the platform from Go modules and hands out their paths.
//
// Every tool is one entry of the catalogue: a module below infra/tools/modules (its go.mod pins it, its go.sum proves it), a package in it, and the
// flags that the binary is linked with. A tool is built once into the cache, in a folder named after everything that its bytes depend on, so that a
// change of a pin never finds the old binary. What one would get wrong: the cache lies outside the checkout and is shared by all of them, so nothing
// in it may depend on where a checkout lies.
package tools
