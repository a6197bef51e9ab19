package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: release build|manifests|push [flags]

  build      make archives, SBOMs, the image and their checksums in a new folder
  manifests  write what krew and Flux install by, for the address that the archives will have
  push       copy the image to a registry

See release VERB --help.`

// usageError is the exit code for arguments that make no sense; others are 1.
const usageError = 2

// errUsage is an error in the arguments that has been told already.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	verbs := map[string]func(context.Context, []string) error{"build": buildCommand, "manifests": manifestsCommand, "push": pushCommand}
	if len(os.Args) < 2 || verbs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(usageError)
	}
	switch err := verbs[os.Args[1]](ctx, os.Args[2:]); {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(usageError)
	case err != nil:
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// parse reads the flags of a verb, which takes nothing else.
func parse(flags *flag.FlagSet, args []string) error {
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil: // told already
		return errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "release %s: unexpected argument %q\n", flags.Name(), flags.Arg(0))
		return errUsage
	}
	return nil
}

func buildCommand(ctx context.Context, args []string) error {
	b := build{out: os.Stdout}
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	flags.StringVar(&b.dist, "dist", "dist", "a folder that is new or empty")
	flags.Func("platforms", "what to build for, such as linux/amd64,darwin/arm64 (default: all)", b.choose)
	if err := parse(flags, args); err != nil {
		return err
	}
	var err error
	if b.stamp, err = stampOf(ctx, "."); err != nil {
		return err
	}
	return b.run(ctx)
}

func manifestsCommand(_ context.Context, args []string) error {
	m := manifests{}
	flags := flag.NewFlagSet("manifests", flag.ContinueOnError)
	flags.StringVar(&m.dist, "dist", "dist", "the folder that build made")
	flags.StringVar(&m.to, "to", "", "where to write them (default: the folder that build made)")
	flags.StringVar(&m.url, "url", "", "where the archives can be had (default: the release on GitHub)")
	if err := parse(flags, args); err != nil {
		return err
	}
	return m.write()
}

func pushCommand(ctx context.Context, args []string) error {
	dist, image, plain := "", "", false
	flags := flag.NewFlagSet("push", flag.ContinueOnError)
	flags.StringVar(&dist, "dist", "dist", "the folder that build made")
	flags.StringVar(&image, "image", "", "where to, such as "+repository+"; without a tag it gets the version as one")
	flags.BoolVar(&plain, "plain-http", false, "the registry speaks HTTP")
	if err := parse(flags, args); err != nil {
		return err
	}
	return push(ctx, dist, image, plain)
}
