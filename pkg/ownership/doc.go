// Package ownership tells from an object alone who manages it and which of its fields its owner declared.
//
// Flux labels what it applies with the name of the Kustomization or HelmRelease, but labels are copied (Endpoints and
// EndpointSlices take over those of their Service), so an object is managed only with proof: a managedFields
// entry of the owner's controller, or a place in the owner's inventory. The declared fields are the set that this
// entry holds. No call to the API server is needed for any of it.
package ownership
