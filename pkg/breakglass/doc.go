// Package breakglass says what a BreakGlass is worth: who may open one, whose edits it admits, and until when.
//
// A BreakGlass is checked twice. When it is created, so that whoever opens it learns at once what is wrong with it. And
// again at every edit, because it may have been created while nobody checked: the editor must be one whom the policy lets
// break glass, and the policy's longest duration holds. So no BreakGlass, however it came about, gives anybody more
// than they could open for themselves. Its time is the API server's, which a Clock tells.
package breakglass
