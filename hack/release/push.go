package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// push copies the image, for all its platforms, to a registry, logged in as docker login or podman login left it.
func push(ctx context.Context, dist, image string, plain bool) error {
	if image == "" {
		return fmt.Errorf("push needs --image, such as %s", repository)
	}
	found, err := filepath.Glob(filepath.Join(dist, imageFile("*")))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("the folder %s does not hold one image; run release build first", dist)
	}
	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), controllerFile+"_"), "_image.tar")
	layout, err := oci.NewFromTar(ctx, found[0])
	if err != nil {
		return fmt.Errorf("%s: %w", found[0], err)
	}
	target, err := remote.NewRepository(image)
	if err != nil {
		return err
	}
	target.PlainHTTP = plain
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return err
	}
	target.Client = &auth.Client{Client: retry.DefaultClient, Cache: auth.NewCache(), Credential: credentials.Credential(store)}
	tag := target.Reference.Reference
	if tag == "" {
		tag = "v" + version
	}
	pushed, err := oras.Copy(ctx, layout, "v"+version, target, tag, oras.DefaultCopyOptions)
	if err != nil {
		return fmt.Errorf("%s: %w", image, err)
	}
	target.Reference.Reference = tag
	_, err = fmt.Printf("%s@%s\n", target.Reference, pushed.Digest)
	return err
}
