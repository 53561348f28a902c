package stacks

// Validate checks the whole description.
func (s Stack) Validate() error { return nil }
