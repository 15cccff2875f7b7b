/* SPDX-License-Identifier: MIT */
/*
 * A quota of TOTAL slots, carved: two derivations from the parent at the same time, each child reserves,
 * uses and gives back slots, is revoked meanwhile, and its share comes back when it is drained. Carving
 * and giving back are done under the administration's lock; charging under the guest's.
 *
 * What must hold: what the parent has left and what its children hold is TOTAL at all times, slots in
 * use are never more than TOTAL, and at rest the parent has all of it again.
 * BUG_CHECKTHENTAKE  carving looks and takes in two steps
 * BUG_RETURNDEAD     the share comes back when the child is dead, while its slots are still in use
 * BUG_RETURNTWICE    the revoker and the worker both give it back
 * BUG_CHARGELATE     a slot is charged at commit, after the object exists
 * BUG_NOWAIT         drained is declared without waiting for what is in flight
 */
#define TOTAL 3
#define SHARE 2
byte available = TOTAL;               /* the parent's */
byte share[2], used[2], exists[2], infl[2];
bool live[2], returned[2], finished[2];

#define IN_USE (exists[0] + exists[1])

/* A call of child c: reserve and charge, create, use, destroy and uncharge. */
proctype call(byte c) {
  infl[c]++;
  if
  :: live[c] ->
#ifdef BUG_CHARGELATE
     if
     :: used[c] < share[c] ->
        exists[c]++;
        assert(IN_USE <= TOTAL && exists[c] <= share[c]);
        used[c]++;
        atomic { exists[c]--; used[c]-- }
     :: else
     fi
#else
     if
     :: atomic { used[c] < share[c] -> used[c]++ };
        exists[c]++;
        assert(IN_USE <= TOTAL && exists[c] <= share[c]);
        exists[c]--;                               /* destroyed below */
        used[c]--
     :: atomic { used[c] >= share[c] -> skip }     /* refused: the quota is named */
     fi
#endif
  :: else
  fi;
  infl[c]--
}

inline give_back(c) {
  atomic {
    available = available + share[c];
    share[c] = 0;
    returned[c] = true;
    assert(available + share[0] + share[1] == TOTAL)
  }
}

/* Derives child c, lets it make three calls, revokes and drains it. */
proctype child(byte c) {
  byte before;
  bool carved = false;
#ifdef BUG_CHECKTHENTAKE
  if
  :: available >= SHARE -> before = available; available = before - SHARE; share[c] = SHARE; carved = true
  :: else
  fi;
#else
  if
  :: atomic { available >= SHARE -> before = available; available = before - SHARE; share[c] = SHARE; carved = true }
  :: atomic { available < SHARE -> skip }
  fi;
#endif
  if
  :: carved ->
     live[c] = true;
     run call(c); run call(c); run call(c);
     live[c] = false;                              /* dead */
#ifdef BUG_RETURNDEAD
     give_back(c);
#endif
#ifdef BUG_RETURNTWICE
     before = share[c];
     give_back(c);
     share[c] = before;
#endif
#ifndef BUG_NOWAIT
     infl[c] == 0;
#endif
     used[c] == 0;
#ifndef BUG_RETURNDEAD
     give_back(c)
#endif
  :: else
  fi;
  finished[c] = true
}

proctype rest() {
end:
  timeout -> assert(finished[0] && finished[1] && available == TOTAL && IN_USE == 0)
}

init { atomic { run child(0); run child(1); run rest() } }
