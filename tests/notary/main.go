// notary signs and verifies as Notation does, with its libraries: Notary Project signatures beside an image.
//
//	notary sign IMAGE@DIGEST KEY CHAIN jws|cose   pushes a signature, by a key and its certificates (PEM)
//	notary verify IMAGE@DIGEST ROOT               exit status 0: one of its signatures leads to ROOT (PEM)
//	notary list IMAGE@DIGEST                      prints the signatures' digests
//
// Registries are spoken to in plain HTTP, with the credentials of DOCKER_CONFIG. It asks nobody else: the
// certificates that tests make name no place that could say they are revoked.
package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"os"

	"github.com/notaryproject/notation-core-go/signature/cose"
	"github.com/notaryproject/notation-core-go/signature/jws"
	corex509 "github.com/notaryproject/notation-core-go/x509"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/registry"
	"github.com/notaryproject/notation-go/signer"
	"github.com/notaryproject/notation-go/verifier"
	"github.com/notaryproject/notation-go/verifier/trustpolicy"
	"github.com/notaryproject/notation-go/verifier/truststore"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// rootFile is a trust store of one file.
type rootFile string

func (file rootFile) GetCertificates(context.Context, truststore.Type, string) ([]*x509.Certificate, error) {
	return corex509.ReadCertificateFile(string(file))
}

func open(reference string) (*remote.Repository, error) {
	repository, err := remote.NewRepository(reference)
	if err != nil {
		return nil, err
	}
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, err
	}
	repository.PlainHTTP = true
	repository.Client = &auth.Client{Client: retry.DefaultClient, Cache: auth.NewCache(),
		Credential: credentials.Credential(store)}
	return repository, nil
}

func sign(ctx context.Context, repository *remote.Repository, reference, key, chain, format string) error {
	types := map[string]string{"jws": jws.MediaTypeEnvelope, "cose": cose.MediaTypeEnvelope}
	if types[format] == "" {
		return fmt.Errorf("no format %q: jws, cose", format)
	}
	with, err := signer.NewGenericSignerFromFiles(key, chain)
	if err != nil {
		return err
	}
	_, err = notation.Sign(ctx, with, registry.NewRepository(repository), notation.SignOptions{
		SignerSignOptions: notation.SignerSignOptions{SignatureMediaType: types[format]},
		ArtifactReference: reference,
	})
	return err
}

func verify(ctx context.Context, repository *remote.Repository, reference, root string) error {
	policy := trustpolicy.Document{Version: "1.0", TrustPolicies: []trustpolicy.TrustPolicy{{
		Name:                  "tests",
		RegistryScopes:        []string{"*"},
		SignatureVerification: trustpolicy.SignatureVerification{VerificationLevel: trustpolicy.LevelStrict.Name},
		TrustStores:           []string{"ca:tests"},
		TrustedIdentities:     []string{"*"},
	}}}
	by, err := verifier.New(&policy, rootFile(root), nil)
	if err != nil {
		return err
	}
	target, _, err := notation.Verify(ctx, by, registry.NewRepository(repository),
		notation.VerifyOptions{ArtifactReference: reference, MaxSignatureAttempts: 50})
	if err == nil {
		fmt.Println(target.Digest)
	}
	return err
}

func list(ctx context.Context, repository *remote.Repository, reference string) error {
	signed := registry.NewRepository(repository)
	target, err := signed.Resolve(ctx, reference)
	if err != nil {
		return err
	}
	return signed.ListSignatures(ctx, target, func(found []ocispec.Descriptor) error {
		for _, signature := range found {
			fmt.Println(signature.Digest)
		}
		return nil
	})
}

func run(arguments []string) error {
	if len(arguments) < 2 {
		return fmt.Errorf("usage: notary sign|verify|list IMAGE@DIGEST …")
	}
	verb, reference, more := arguments[0], arguments[1], arguments[2:]
	repository, err := open(reference)
	if err != nil {
		return err
	}
	ctx := context.Background()
	switch {
	case verb == "sign" && len(more) == 3:
		return sign(ctx, repository, reference, more[0], more[1], more[2])
	case verb == "verify" && len(more) == 1:
		return verify(ctx, repository, reference, more[0])
	case verb == "list" && len(more) == 0:
		return list(ctx, repository, repository.Reference.Reference)
	}
	return fmt.Errorf("no such call: %v", arguments)
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "notary:", err)
		os.Exit(1)
	}
}
