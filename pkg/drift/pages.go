package drift

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// pageSize is how many objects one LIST call asks for; kubectl uses the same.
const pageSize = 500

// Pages lists objects and leaves them as the API server wrote them until somebody wants one: most of the time that
// listing takes goes into decoding, which several processors can share, and most of the memory into what is decoded.
type Pages struct {
	server rest.Interface
	mapper meta.RESTMapper
}

// NewPages returns a Pages of the cluster that config and mapper are of.
func NewPages(config *rest.Config, mapper meta.RESTMapper) (*Pages, error) {
	plain := rest.CopyConfig(config)
	plain.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	plain.AcceptContentTypes, plain.ContentType = runtime.ContentTypeJSON, runtime.ContentTypeJSON
	server, err := rest.UnversionedRESTClientFor(plain)
	if err != nil {
		return nil, err
	}
	return &Pages{server: server, mapper: mapper}, nil
}

// listedObject is an object as the API server wrote it.
type listedObject struct {
	kind schema.GroupVersionKind
	text string
}

// list lists the objects of a place that carry a label, and hands them over page by page; again from the first one where the API
// server has forgotten in the middle what it was about to list.
func (p *Pages) list(ctx context.Context, at place, label string, page func(map[desired.Key]listedObject)) error {
	kind := at.kind
	mapping, err := p.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}
	root := path.Join("/apis", kind.Group)
	if kind.Group == "" {
		root = "/api"
	}
	root = path.Join(root, kind.Version)
	if at.namespace != "" {
		root = path.Join(root, "namespaces", at.namespace)
	}
	next := ""
	for {
		answer := p.server.Get().AbsPath(root, mapping.Resource.Resource).
			Param("labelSelector", label).Param("limit", strconv.Itoa(pageSize)).Param("continue", next).Do(ctx)
		// It decodes what the API server says about an error, as Raw does not.
		err := answer.Error()
		if next != "" && apierrors.IsResourceExpired(err) {
			return p.list(ctx, at, label, page)
		}
		if err != nil {
			return err
		}
		body, err := answer.Raw()
		if err != nil {
			return err
		}
		if !gjson.ValidBytes(body) {
			return fmt.Errorf("the API server's list of %s is no JSON", mapping.Resource.Resource)
		}
		list, objects := gjson.ParseBytes(body), map[desired.Key]listedObject{}
		list.Get("items").ForEach(func(_, item gjson.Result) bool {
			key := desired.Key{Group: kind.Group, Kind: kind.Kind, Namespace: item.Get("metadata.namespace").Str, Name: item.Get("metadata.name").Str}
			objects[key] = listedObject{kind, item.Raw}
			return true
		})
		page(objects)
		if next = list.Get("metadata.continue").Str; next == "" {
			return nil
		}
	}
}

// object decodes it; an error never quotes it.
func (l listedObject) object() (*unstructured.Unstructured, error) {
	content, err := fields.Decode([]byte(l.text))
	object, ok := content.(map[string]any)
	if err != nil || !ok {
		return nil, errors.New("what the API server says of it cannot be read")
	}
	out := &unstructured.Unstructured{Object: object}
	// Within a list, the API server leaves these out for the kinds that are built in.
	out.SetGroupVersionKind(l.kind)
	return out, nil
}
