// Package workflows checks the files in .github/workflows: with actionlint, and for what it does not look at. The one thing a reader would get wrong: nothing of
// GitHub is asked. That a pinned commit is the version beside it is for the reviewer of the line.
package workflows
