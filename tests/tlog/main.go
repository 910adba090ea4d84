// tlog judges a published ledger with golang.org/x/mod/sumdb: signatures by note, hashes and proofs by tlog.
//
//	tlog check FOLDER KEY            the checkpoint is signed by KEY, the tiles lead to its root, each entry is in them
//	tlog grew FOLDER OLD KEY         the log in FOLDER begins with the one of the checkpoint in the file OLD
//	tlog proof FILE KEY              a proof as C2SP tlog-proof has it, of the entry in hex on standard input
//	tlog cosign FILE NAME            signs the checkpoint in FILE as a witness would (cosignature/v1) with a new key;
//	                                 prints the public key, and then the note
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// open reads a checkpoint, in a note that the key has signed.
func open(data []byte, key string) (tlog.Tree, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return tlog.Tree{}, err
	}
	signed, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("no checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	hash, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: hash}, err
}

func read(file, key string) (tlog.Tree, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return tlog.Tree{}, err
	}
	return open(data, key)
}

// folder is a reader of tiles. tlog's own paths say the height, which the layout fixes.
type folder string

func (dir folder) Height() int                     { return 8 }
func (dir folder) SaveTiles([]tlog.Tile, [][]byte) {}
func (dir folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(string(dir), path))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// entries are those of the bundles, in order.
func (dir folder) entries(size int64) ([][]byte, error) {
	var all [][]byte
	for at := int64(0); at < size; at += 256 {
		tile := tlog.Tile{H: 8, L: 0, N: at / 256, W: int(min(256, size-at))}
		data, err := os.ReadFile(filepath.Join(string(dir), strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)))
		if err != nil {
			return nil, err
		}
		for len(data) > 2 {
			length := int(binary.BigEndian.Uint16(data))
			if len(data) < 2+length {
				return nil, errors.New("a bundle ends within an entry")
			}
			all = append(all, data[2:2+length])
			data = data[2+length:]
		}
	}
	if int64(len(all)) != size {
		return nil, fmt.Errorf("%d entries, and %d in the checkpoint", len(all), size)
	}
	return all, nil
}

func check(dir folder, key string) error {
	tree, err := read(filepath.Join(string(dir), "checkpoint"), key)
	if err != nil {
		return err
	}
	entries, err := dir.entries(tree.N)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, dir)
	for index, entry := range entries {
		proof, err := tlog.ProveRecord(tree.N, int64(index), reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, int64(index), tlog.RecordHash(entry)); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
	}
	fmt.Println(tree.N)
	return nil
}

func grew(dir folder, file, key string) error {
	tree, err := read(filepath.Join(string(dir), "checkpoint"), key)
	if err != nil {
		return err
	}
	old, err := read(file, key)
	if err != nil {
		return err
	}
	proof, err := tlog.ProveTree(tree.N, old.N, tlog.TileHashReader(tree, dir))
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash)
}

func proof(file, key string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	given, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	entry, err := hex.DecodeString(strings.TrimSpace(string(given)))
	if err != nil {
		return err
	}
	head, checkpoint, found := bytes.Cut(data, []byte("\n\n"))
	if !found {
		return errors.New("no checkpoint in it")
	}
	tree, err := open(checkpoint, key)
	if err != nil {
		return err
	}
	var index int64
	var hashes tlog.RecordProof
	for at, line := range strings.Split(string(head), "\n") {
		switch {
		case at == 0:
			if line != "c2sp.org/tlog-proof@v1" {
				return errors.New("no proof")
			}
		case strings.HasPrefix(line, "extra "):
		case strings.HasPrefix(line, "index "):
			if index, err = strconv.ParseInt(line[6:], 10, 64); err != nil {
				return err
			}
		default:
			hash, err := tlog.ParseHash(line)
			if err != nil {
				return err
			}
			hashes = append(hashes, hash)
		}
	}
	return tlog.CheckRecord(hashes, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

func cosign(file, name string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text, lines, found := strings.Cut(string(data), "\n\n")
	if !found {
		return errors.New("no note")
	}
	text += "\n"
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	material := append([]byte{4}, public...)
	sum := sha256.Sum256(append([]byte(name+"\n"), material...))
	now := uint64(time.Now().Unix())
	signed := append(append([]byte{}, sum[:4]...), binary.BigEndian.AppendUint64(nil, now)...)
	signed = append(signed, ed25519.Sign(private, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", now, text))...)
	fmt.Printf("%s+%x+%s\n", name, sum[:4], base64.StdEncoding.EncodeToString(material))
	fmt.Printf("%s\n%s— %s %s\n", text, lines, name, base64.StdEncoding.EncodeToString(signed))
	return nil
}

func run(arguments []string) error {
	if len(arguments) == 3 {
		switch arguments[0] {
		case "check":
			return check(folder(arguments[1]), arguments[2])
		case "proof":
			return proof(arguments[1], arguments[2])
		case "cosign":
			return cosign(arguments[1], arguments[2])
		}
	}
	if len(arguments) == 4 && arguments[0] == "grew" {
		return grew(folder(arguments[1]), arguments[2], arguments[3])
	}
	return errors.New("usage: tlog check|grew|proof|cosign …")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tlog:", err)
		os.Exit(1)
	}
}
