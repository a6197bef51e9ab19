// Package policy says which EditPolicy applies to an object, and whom it exempts.
package policy
