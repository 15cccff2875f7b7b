/* SPDX-License-Identifier: MIT */
/*
 * One creating operation over two levels: an asynchronous, lossy, late transport; two revokers; a peer that
 * maps. A retry names the same slot, so the level below refuses what isn't newer, and keeps a tombstone.
 *
 * What must hold: an object below always has its page pinned; "drained" at either level means that there is
 * no object; at rest nothing is left.
 * BUG_NOTOMB      destroying what isn't there leaves no tombstone: a late create revives a returned page
 * BUG_EARLYUNPIN  the page is unpinned when destroying begins, not when it is done
 * BUG_NOWAIT      revoking doesn't wait for what is in flight
 * With -DNOCANCEL it still holds: a revoker needn't tell an operation in flight, which looks for itself.
 * Not modelled: liveness, weak memory, several slots or guests, ancestors (revoke.pml), budgets of work().
 */
#define FREE 0
#define RESERVED 1
#define LIVE 2
#define CLOSING 3
mtype = { OK, FAIL, DONE, BUSY };
byte slot=FREE, agen=0, infl=0, pin=0; bool cancel=false, epA=true, doneA=false, doneB=false;
byte obj=0, objgen=0, bgen=0; bool epB=true, peermap=false, opsdone=false;
chan cr = [2] of {byte}; chan crr = [2] of {mtype,byte};   /* create, may be late or reply lost */
chan de = [1] of {byte}; chan der = [1] of {mtype};
byte nops=0;
proctype op() { mtype r; byte g, rg; bool unk;
  byte i;
  for (i : 1 .. NOPS) {
    infl++;                                   /* pin */
    if :: !epA -> infl--; goto next :: else fi;  /* then check (Dekker) */
    atomic { if :: slot==FREE -> slot=RESERVED; agen++; g=agen; pin=1; cancel=false :: else -> infl--; goto next fi };
    cr!g; unk=false;
    do :: crr?r,rg -> if :: rg==g -> break :: else fi          /* stale replies dropped by gen */
       :: unk=true; break                                        /* timeout or garbage */
    od;
    atomic {                                                     /* commit, under the guest lock */
      assert(slot==RESERVED && agen==g);
      if :: unk -> slot=CLOSING
         :: !unk && r==FAIL -> slot=FREE; pin=0
#ifdef NOCANCEL
         :: !unk && r==OK -> slot=LIVE
#else
         :: !unk && r==OK && (cancel || !epA) -> slot=CLOSING
         :: !unk && r==OK && !(cancel || !epA) -> slot=LIVE
#endif
      fi };
    if :: atomic { slot==LIVE && agen==g -> slot=CLOSING }        /* reply copy failed, or guest closes it */
       :: skip fi;
    infl--;
next: skip }
  opsdone=true }
active proctype below() { byte g;
end: do
  :: atomic { cr?g -> if
#ifdef BUG_NOTOMB
       :: epB && !obj -> 
#else
       :: epB && !obj && g>bgen -> 
#endif
          assert(!doneA && !doneB); assert(pin==1 && agen==g && slot!=FREE);
          obj=1; objgen=g; bgen=g; if :: nfull(crr) -> crr!OK,g :: skip fi
       :: else -> if :: nfull(crr) -> crr!FAIL,g :: skip fi fi }
  :: atomic { de?g -> if
       :: obj && objgen==g && peermap -> der!BUSY
       :: obj && objgen==g && !peermap -> obj=0; der!DONE
       :: else -> if :: g>bgen -> bgen=g :: else fi; der!DONE fi }
  od }
active proctype peer() { end: do :: atomic { obj && !peermap -> peermap=true } ; peermap=false od }
active proctype sweeper() { mtype r; byte g;
end: do :: atomic { slot==CLOSING -> g=agen };
#ifdef BUG_EARLYUNPIN
     pin=0;
#endif
     de!g; der?r;
     if :: r==DONE -> atomic { assert(slot==CLOSING && agen==g); assert(!(obj && objgen==g)); slot=FREE; pin=0 }
        :: r==BUSY -> skip fi
  od }
proctype revA() { epA=false;
  atomic { if :: slot==RESERVED -> cancel=true :: slot==LIVE -> slot=CLOSING :: else fi };
#ifdef BUG_NOWAIT
  (slot==FREE);
#else
  (infl==0);
  atomic { if :: slot==LIVE -> slot=CLOSING :: else fi };
  (slot==FREE);
#endif
  atomic { assert(!obj && !pin); doneA=true } }
proctype revB() { epB=false; atomic { (!peermap) -> obj=0 }; doneB=true }
init { atomic { run op(); run revA(); if :: run revB() :: skip fi } 
  (doneA && opsdone && infl==0); assert(slot==FREE && !pin && !obj) }
