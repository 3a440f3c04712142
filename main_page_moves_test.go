package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"codis/router/resp"
	"codis/router/resp/resptest"
)

// fillKeys writes n small keys.
func fillKeys(tb testing.TB, addr string, n int) {
	tb.Helper()
	client, err := resp.Dial(tb.Context(), resp.ClientOptions{Addr: addr, Timeout: patience})
	if err != nil {
		tb.Fatal(err)
	}
	defer client.Close()
	for i := range n {
		if _, err := client.Do(context.Background(), "SET", fmt.Sprint("key:", i), "value"); err != nil {
			tb.Fatal(err)
		}
	}
}

// seeJob waits until the page shows a job in a state.
func (p *page) seeJob(id, state string) {
	p.tb.Helper()
	p.wait("job "+id+" to be "+state, fmt.Sprintf(`document.querySelector("#job-%s .lamp")?.textContent.trim() === %q`, id, state))
}

// startJob takes an open dialog from the form to the job.
func (p *page) startJob(slots string) (id string) {
	p.tb.Helper()
	p.click("Show the plan")
	p.see("The plan: " + slots)
	p.check("plan")
	p.shoot(artefacts(p.tb), "plan", false)
	p.click("Move " + slots)
	p.see("has begun")
	p.click("Watch the job")
	id = strings.TrimPrefix(eval[string](p, `location.hash`), "#/jobs/")
	p.wait("the job's card", fmt.Sprintf(`document.getElementById("job-%s")`, id))
	return id
}

func (c *cluster) owner(slot int) string {
	c.tb.Helper()
	return flat(do(c.tb, c.addr(0), "CODIS.SLOTS", fmt.Sprint(slot), fmt.Sprint(slot)))
}

// TestPageMovesSlots moves a range and watches it end, pauses and resumes it,
// rebalances by a plan, and moves so many slots.
func TestPageMovesSlots(t *testing.T) {
	t.Parallel()
	one, two := resptest.StartRedis(t), resptest.StartRedis(t)
	c := newCluster(t, 1, []string{one.Addr}, []string{two.Addr})
	fillKeys(t, c.addr(0), 3000)
	p := openPage(t, startBrowser(t), c.http(0))
	p.see("All slots are served")

	p.visit("slots")
	p.clickOn(`document.getElementById("slot-0")`)
	p.press(kb.ArrowDown, chromedp.ModifierShift)
	p.see("65 slots selected: 0–64")
	p.click("Move range…")
	p.click("Speed and checks")
	p.fill("f-keys", "20")
	job := p.startJob("65 slots")
	p.click("Pause job " + job)
	p.seeJob(job, "paused")
	p.wait("a part of the way", fmt.Sprintf(`document.querySelector("#job-%s progress").value < 65`, job))
	p.click("Resume job " + job)
	p.seeJob(job, "running")
	p.click("Limits… job " + job)
	p.fill("f-keys", "0")
	p.click("Save")
	p.see("The limits are set.")
	p.press(kb.Escape)
	p.seeJob(job, "done")
	if got := c.owner(64); !strings.Contains(got, "serving 2") {
		t.Errorf("slot 64: %s", got)
	}
	p.visit("slots")
	p.wait("the map to follow", `document.getElementById("slot-64").getAttribute("aria-label") === "Slot 64, group 2"`)

	p.click("Rebalance…")
	p.fill("f-weight-2", "0")
	p.seeJob(p.startJob("577 slots"), "done")
	p.visit("slots")
	p.click("Move slots…")
	p.fill("f-count", "10")
	p.seeJob(p.startJob("10 slots"), "done")
	keys := do(t, one.Addr, "DBSIZE").Int + do(t, two.Addr, "DBSIZE").Int
	if keys != 3000 {
		t.Errorf("the servers have %d keys", keys)
	}
}

// TestPageChanges changes groups, servers and settings, and shows a refusal with
// its reason.
func TestPageChanges(t *testing.T) {
	t.Parallel()
	one, two, three := resptest.StartRedis(t), resptest.StartRedis(t), resptest.StartRedis(t)
	c := newCluster(t, 2)
	p := openPage(t, startBrowser(t), c.http(1)) // a change goes to the leader
	p.see("There are no servers yet.")
	p.visit("groups")
	p.expectAway(true) // refusals count as failed requests
	p.click("Add the first group…")
	p.fill("f-servers", "127.0.0.1:1")
	p.click("Add group")
	p.wait("the reason", `document.querySelector("dialog [role=alert]")`)
	p.expectAway(false)
	p.fill("f-servers", one.Addr)
	p.click("Add group")
	p.see("Group 1 is there.")
	p.press(kb.Escape)
	p.click("Attach server… to group 1")
	p.fill("f-addr", two.Addr)
	p.click("Attach")
	p.see(two.Addr + " belongs to group 1.")
	p.press(kb.Escape)
	p.click("Add group…")
	p.fill("f-servers", three.Addr)
	p.click("Add group")
	p.see("Group 2 is there.")
	p.press(kb.Escape)

	p.visit("slots")
	p.click("Assign them…")
	p.click("Assign")
	p.see("The slots have their groups.")
	p.press(kb.Escape)
	if got := c.owner(1023); !strings.Contains(got, "serving 2") {
		t.Errorf("slot 1023: %s", got)
	}
	p.click("Look for misplaced keys")
	p.click("Look")
	p.see("Every key is where it belongs.")
	p.press(kb.Escape)

	p.visit("groups")
	p.clickOn(`document.querySelector("[name=reads][value=replica]")`)
	p.see("Replicas answer reads.")
	waitFor(t, "the setting", func() error {
		if got := flat(do(t, c.addr(0), "CODIS.CONFIG", "GET", "read-from")); !strings.Contains(got, "replica") {
			return fmt.Errorf("got %s", got)
		}
		return nil
	})
	p.click("Detach… " + two.Addr)
	p.click("Detach the last replica all the same")
	p.click("Detach")
	p.see(two.Addr + " is detached.")
	p.press(kb.Escape)

	p.visit("settings")
	p.click("Edit… maxclients")
	p.fill("f-value", "1234")
	p.click("Save")
	p.see("maxclients is 1234 now.")
	p.press(kb.Escape)
	p.visit("history")
	p.see("maxclients")

	p.visit("nodes")
	p.click("Make leader… n2")
	p.click("Hand over")
	p.see("n2 leads.")
	p.press(kb.Escape)
	p.wait("the new leader", `[...document.querySelectorAll("tr")].some((row) => row.textContent.includes("n2") && row.querySelector(".tag"))`)
}
