/* SPDX-License-Identifier: MIT */
/*
 * One port of one level: no event is lost, from the moment the object exists below.
 *
 * The peer writes data, then raises the event (blanket_event): it sets PENDING in the port's word, and
 * only then looks whether the port is live and unmasked. Commit makes the port live and then looks at
 * PENDING; unmask clears the mask and then looks at PENDING; the guest takes PENDING and then drains.
 * Each of the four stores first and looks afterwards, so that of two that race one sees the other.
 * An event on a port that isn't live yet is latched by that same PENDING.
 *
 * What must hold: when everything is at rest and the port isn't masked, all data was seen.
 * BUG_NOLATCH      an event before commit is dropped
 * BUG_NOREPLAY     commit doesn't look at PENDING
 * BUG_NORECHECK    unmask doesn't look at PENDING
 * BUG_LOOKFIRST    the event looks at state and mask before it sets PENDING
 * BUG_TAKELATE     the guest drains and then takes PENDING
 * BUG_COMMITFIRST  commit looks at PENDING and then makes the port live
 * Not modelled: weak memory (the code's word is atomic), several ports, closing, vCPUs.
 */
#define EVENTS 3
mtype = { FREE, RESERVED, LIVE };
mtype state = FREE;
bool created = false, pending = false, masked = false, notified = false, settled = false;
byte sent = 0, seen = 0;

inline notify() { notified = true }

/* What the bits mean now: the second half of event, commit and unmask. */
inline look() {
  if
  :: state == LIVE && !masked && pending -> notify()
  :: else
  fi
}

proctype peer() {
  byte i;
  bool before, open;
  created;
  for (i : 1 .. EVENTS) {
    sent++;                                       /* the ring, before the doorbell */
#ifdef BUG_NOLATCH
    if :: state != LIVE -> goto dropped :: else fi;
#endif
#ifdef BUG_LOOKFIRST
    open = (state == LIVE && !masked);
    atomic { before = pending; pending = true };
    if :: open && !before -> notify() :: else fi;
#else
    atomic { before = pending; pending = true };  /* test and set */
    if
    :: before                                     /* coalesced: who set it notifies */
    :: !before -> look()
    fi;
#endif
dropped: skip
  }
}

/* The guest's call that creates the port, then its masking and unmasking. */
proctype owner() {
  byte i;
  state = RESERVED;
  created = true;                                 /* performed below: events may come from here on */
#ifdef BUG_COMMITFIRST
  look();
  state = LIVE;
#else
  state = LIVE;
#ifndef BUG_NOREPLAY
  look();
#endif
#endif
  for (i : 1 .. 2) {
    if
    :: masked = true;
       masked = false;
#ifndef BUG_NORECHECK
       look()
#endif
    :: skip
    fi
  }
  settled = true
}

proctype guest() {
end:
  do
  :: atomic { notified -> notified = false };
#ifdef BUG_TAKELATE
     seen = sent;
     pending = false
#else
     pending = false;                             /* blanket_event_take */
     seen = sent
#endif
  od
}

/* Nothing else can move: then nothing may be left. */
proctype rest() {
end:
  timeout -> assert(settled && seen == EVENTS)
}

init { atomic { run peer(); run owner(); run guest(); run rest() } }
