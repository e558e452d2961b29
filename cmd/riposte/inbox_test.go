package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/riposte-sec/riposte/sinks/webhook"
)

// post delivers body to the inbox under id, signed with key.
func post(t *testing.T, b *inbox, key, id, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+b.addr, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(key))
	fmt.Fprintf(mac, "1700000000.%s", body)
	req.Header.Set(webhook.HeaderTimestamp, "1700000000")
	req.Header.Set(webhook.HeaderSignature, "v1="+hex.EncodeToString(mac.Sum(nil))+";key=up")
	req.Header.Set(webhook.HeaderID, id)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

func newInbox(t *testing.T, path string) *inbox {
	t.Helper()
	b, err := openInbox(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func letterOf(verb string) string {
	return `{"verb":"` + verb + `","action":"user.suspend","target":{"kind":"user","value":"homer@example.com"}}`
}

func expectState(t *testing.T, b *inbox, id, verb, want string) {
	t.Helper()
	code, answer := post(t, b, b.key, id, letterOf(verb))
	if code != http.StatusOK || !strings.Contains(answer, `"state":"`+want+`"`) {
		t.Errorf("%s %s: %d %s, want %s", verb, id, code, answer, want)
	}
}

func countLines(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

func TestInboxRefusesAWrongSignature(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.jsonl")
	b := newInbox(t, path)
	defer b.close(context.WithoutCancel(t.Context()))
	if code, _ := post(t, b, "guessed", "a-1", letterOf("apply")); code != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", code)
	}
	if n := countLines(t, path); n != 0 {
		t.Errorf("%d letters were kept", n)
	}
	if code, _ := post(t, b, b.key, "a-1", "not json"); code != http.StatusBadRequest {
		t.Errorf("status %d, want 400", code)
	}
	if code, _ := post(t, b, b.key, "a-1", strings.Repeat("x", maxLetter+1)); code != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, want 413", code)
	}
}

func TestInboxDoesARepeatedIDOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.jsonl")
	b := newInbox(t, path)
	defer b.close(context.WithoutCancel(t.Context()))
	expectState(t, b, "c-0", "check", "absent")
	expectState(t, b, "a-1", "apply", "in_place")
	expectState(t, b, "u-1", "undo", "absent")
	expectState(t, b, "a-1", "apply", "in_place") // the answer of the first time
	expectState(t, b, "c-1", "check", "absent")   // and no second effect
	if n := countLines(t, path); n != 2 {
		t.Errorf("%d letters were kept, want 2", n)
	}
}

func TestInboxKnowsItsLettersAfterARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.jsonl")
	b := newInbox(t, path)
	expectState(t, b, "a-1", "apply", "in_place")
	if err := b.close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	again := newInbox(t, path)
	defer again.close(context.WithoutCancel(t.Context()))
	expectState(t, again, "c-1", "check", "in_place")
	expectState(t, again, "a-1", "apply", "in_place")
	if n := countLines(t, path); n != 1 {
		t.Errorf("%d letters were kept, want 1", n)
	}
}

func TestInboxDropsALineThatACrashCutOff(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.jsonl")
	writeFile(t, path, `{"riposte_id":"a-1","verb":"apply","action":"user.suspend","target":{"kind":"user","value":"homer@example.com"}}`+
		"\n"+`{"riposte_id":"u-1","verb":"un`)
	b := newInbox(t, path)
	defer b.close(context.WithoutCancel(t.Context()))
	expectState(t, b, "c-1", "check", "in_place")
	expectState(t, b, "u-1", "undo", "absent") // it was never answered, so it comes again
	if n := countLines(t, path); n != 2 {
		t.Errorf("%d letters are kept, want 2", n)
	}
}

func TestInboxRefusesAFileThatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "inbox.jsonl")
	writeFile(t, path, "something else\n")
	if b, err := openInbox(t.Context(), path); err == nil || !strings.Contains(err.Error(), path) {
		if b != nil {
			_ = b.close(t.Context())
		}
		t.Errorf("got %v, want an error that names the file", err)
	}
}
