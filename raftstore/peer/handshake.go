package peer

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// The challenge, all integers big-endian, S the side that accepted:
//
//	S -> C   nonce of S, 32 bytes
//	C -> S   version, kind, nonce of C, then cluster ID, own ID, wanted ID, wanted
//	         incarnation, each with a length byte; MAC of all of it and of S's nonce
//	S -> C   verdict; own ID and incarnation with length bytes; MAC of that and of
//	         all that was sent before
//
// A MAC is HMAC-SHA256 with the secret as key, over a label of its side first, so
// that nothing of one side can be sent back as the other's. S sends its second
// message only after C's MAC was right.
const (
	version   = 1
	nonceSize = 32
	macSize   = sha256.Size

	labelClient = "codis peer client 1"
	labelServer = "codis peer server 1"
)

// verdict is what a peer that has proven itself is told.
type verdict byte

const (
	verdictWelcome verdict = iota + 1
	verdictOtherCluster
	verdictOtherNode
	verdictOtherVersion
	// verdictRecovered: S's cluster is what C's was recovered as.
	verdictRecovered
)

var (
	// ErrRefused is returned when the other side ended the challenge: it has
	// another secret, or it is not a node at all.
	ErrRefused = errors.New("the other side refused the challenge: is it a codis peer port, with the same secret?")
	// ErrSecret is returned when the other side could not prove that it knows the
	// secret.
	ErrSecret = errors.New("wrong secret, or not a codis node")
	// ErrOtherCluster is returned when the other side is a node of another cluster.
	ErrOtherCluster = errors.New("the node there belongs to another cluster")
	// ErrRecovered is returned when the other side's cluster is what this node's
	// cluster was recovered as, without this node.
	ErrRecovered = errors.New("the cluster of this node was recovered without it")
	// ErrOtherNode is returned when another node is at the address.
	ErrOtherNode = errors.New("another node is at this address")
	// ErrVersion is returned when the other side speaks another version of the
	// challenge.
	ErrVersion = errors.New("the node there speaks another version of the peer protocol")
)

// hello is C's message.
type hello struct {
	kind                                byte
	nonce                               [nonceSize]byte
	cluster, from, wanted, wantedIncarn string
}

func (h hello) append(dst []byte) ([]byte, error) {
	dst = append(dst, version, h.kind)
	dst = append(dst, h.nonce[:]...)
	for _, text := range []string{h.cluster, h.from, h.wanted, h.wantedIncarn} {
		if len(text) > 255 {
			return nil, fmt.Errorf("name of %d bytes", len(text))
		}
		dst = append(append(dst, byte(len(text))), text...)
	}
	return dst, nil
}

// challenge is S's side.
func (p *Port) challenge(raw net.Conn) (Kind, string, error) {
	if err := raw.SetDeadline(time.Now().Add(p.cfg.HandshakeTimeout)); err != nil {
		return 0, "", err
	}
	nonce := newNonce()
	if _, err := raw.Write(nonce[:]); err != nil {
		return 0, "", err
	}
	h, text, err := readHello(raw)
	if err != nil {
		return 0, "", err
	}
	var mac [macSize]byte
	if _, err := io.ReadFull(raw, mac[:]); err != nil {
		return 0, "", err
	}
	if !hmac.Equal(mac[:], p.mac(labelClient, nonce[:], text)) {
		return 0, "", ErrSecret
	}
	v := p.judge(text[0], h)
	answer := []byte{byte(v)}
	for _, name := range []string{p.cfg.Self.ID, p.cfg.Self.Incarnation} {
		answer = append(append(answer, byte(len(name))), name...)
	}
	answer = append(answer, p.mac(labelServer, nonce[:], text, answer)...)
	if _, err := raw.Write(answer); err != nil {
		return 0, "", err
	}
	if v != verdictWelcome {
		return 0, "", fmt.Errorf("node %s: %w", h.from, v.err())
	}
	return Kind(h.kind), h.from, raw.SetDeadline(time.Time{})
}

// judge decides about a peer that has proven that it knows the secret.
func (p *Port) judge(theirs byte, h hello) verdict {
	self, cluster := p.cfg.Self, p.clusterID.Load()
	switch {
	case theirs != version || h.kind != byte(KindRaft) && h.kind != byte(KindRPC):
		return verdictOtherVersion
	case cluster != nil && RecoveredFrom(*cluster, h.cluster):
		return verdictRecovered
	case cluster == nil || *cluster != h.cluster:
		return verdictOtherCluster
	case h.wanted != self.ID || h.wantedIncarn != "" && h.wantedIncarn != self.Incarnation:
		return verdictOtherNode
	}
	return verdictWelcome
}

// introduce is C's side.
func (p *Port) introduce(raw net.Conn, to Identity, kind Kind) error {
	cluster := p.clusterID.Load()
	if cluster == nil {
		return ErrOtherCluster
	}
	if err := raw.SetDeadline(time.Now().Add(p.cfg.HandshakeTimeout)); err != nil {
		return err
	}
	var nonce [nonceSize]byte
	if _, err := io.ReadFull(raw, nonce[:]); err != nil {
		return refused(err)
	}
	h := hello{
		kind: byte(kind), nonce: newNonce(),
		cluster: *cluster, from: p.cfg.Self.ID, wanted: to.ID, wantedIncarn: to.Incarnation,
	}
	text, err := h.append(nil)
	if err != nil {
		return err
	}
	if _, err := raw.Write(append(bytes.Clone(text), p.mac(labelClient, nonce[:], text)...)); err != nil {
		return err
	}
	v, got, err := p.readVerdict(raw, nonce[:], text)
	if err != nil {
		return err
	}
	if v == verdictOtherNode {
		return fmt.Errorf("%w: %s", ErrOtherNode, got)
	}
	if v != verdictWelcome {
		return v.err()
	}
	return raw.SetDeadline(time.Time{})
}

func (p *Port) readVerdict(raw net.Conn, nonce, text []byte) (verdict, string, error) {
	answer := make([]byte, 1, 1+2*256)
	if _, err := io.ReadFull(raw, answer); err != nil {
		return 0, "", refused(err)
	}
	var names [2]string
	for i := range names {
		var err error
		if answer, names[i], err = readName(raw, answer); err != nil {
			return 0, "", refused(err)
		}
	}
	var mac [macSize]byte
	if _, err := io.ReadFull(raw, mac[:]); err != nil {
		return 0, "", refused(err)
	}
	if !hmac.Equal(mac[:], p.mac(labelServer, nonce, text, answer)) {
		return 0, "", ErrSecret
	}
	return verdict(answer[0]), names[0], nil
}

func readHello(r io.Reader) (hello, []byte, error) {
	text := make([]byte, 2+nonceSize, 512)
	if _, err := io.ReadFull(r, text); err != nil {
		return hello{}, nil, err
	}
	h := hello{kind: text[1], nonce: [nonceSize]byte(text[2:])}
	for _, name := range []*string{&h.cluster, &h.from, &h.wanted, &h.wantedIncarn} {
		var err error
		if text, *name, err = readName(r, text); err != nil {
			return hello{}, nil, err
		}
	}
	return h, text, nil
}

// readName reads a text with a length byte, and appends both to seen.
func readName(r io.Reader, seen []byte) ([]byte, string, error) {
	var buf [256]byte
	if _, err := io.ReadFull(r, buf[:1]); err != nil {
		return nil, "", err
	}
	length := int(buf[0])
	if _, err := io.ReadFull(r, buf[1:1+length]); err != nil {
		return nil, "", err
	}
	return append(seen, buf[:1+length]...), string(buf[1 : 1+length]), nil
}

func (p *Port) mac(label string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, p.cfg.Secret)
	h.Write([]byte(label))
	for _, part := range parts {
		// The lengths keep two lists of parts apart that are the same in a row.
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part))))
		h.Write(part)
	}
	return h.Sum(nil)
}

func newNonce() (nonce [nonceSize]byte) {
	rand.Read(nonce[:]) // never fails
	return nonce
}

func (v verdict) err() error {
	switch v {
	case verdictOtherCluster:
		return ErrOtherCluster
	case verdictOtherNode:
		return ErrOtherNode
	case verdictRecovered:
		return ErrRecovered
	}
	return ErrVersion
}

func refused(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrRefused
	}
	return err
}
