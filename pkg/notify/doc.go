// Package notify tells Flux's notification-controller of edits, as events about the Kustomization or HelmRelease that
// manages the edited object. So the Alerts and Providers that a team has already carry who changed which field.
//
// Events wait in a bounded queue and are sent one after the other, at a bounded rate. What the notification-controller
// answers 429 it has been told already within its window.
package notify
