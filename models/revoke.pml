/* SPDX-License-Identifier: MIT */
/*
 * Endpoints 0 <- 1 <- 2, and 3, which a call derives from 1 while 0 is being revoked. A call pins its
 * endpoint (in-flight count), THEN walks up: each ancestor live and of the generation that its child was
 * derived from. Revoking is one store, on 0. The worker frees bottom up: it marks an
 * endpoint of a dead tree dead itself, THEN waits until nothing is in flight on it, THEN looks for children,
 * and frees it if there are none; a freed slot takes the next generation, and may be minted again for another
 * owner, who revokes nothing.
 *
 * What must hold: between pin and unpin the endpoint isn't freed under the call and belongs to who named
 * it; a call that was made after "dead" returned is refused; when 0 is drained, nothing of its tree is left.
 * BUG_CHECKFIRST     the walk comes before the pin
 * BUG_OWNONLY        only the endpoint itself is looked at, not its ancestors
 * BUG_NOWAIT         the worker frees without waiting for what is in flight
 * BUG_NOMARK         the worker counts on the dead ancestor and doesn't mark the endpoint itself: a call may
 *                    pin after the worker's look at the count, and walk into the slot's next owner
 * BUG_CHILDRENFIRST  the worker looks for children before it waits, so that one derived meanwhile is missed
 * BUG_NOGENERATION   the walk doesn't compare generations
 * Not modelled: weak memory, the sweep of slots (op.pml has that), depth above 3.
 */
#define NONE 9
byte parent[4], parent_gen[4], gen[4], infl[4], holder[4];
bool live[4], used[4];
bool dead_returned = false;

/* The pure check: from e with generation g upwards. */
inline walk(e, g) {
  at = e;
  want = g;
  ok = true;
  do
  :: at == NONE -> break
  :: else ->
#ifdef BUG_NOGENERATION
     if :: !live[at] -> ok = false; break :: else fi;
#else
     if :: !live[at] || gen[at] != want -> ok = false; break :: else fi;
#endif
#ifdef BUG_OWNONLY
     break
#else
     atomic { want = parent_gen[at]; at = parent[at] }
#endif
  od
}

/* A call by owner `who`, who was given endpoint e when it had generation g. */
proctype call(byte e; byte g; byte who; bool derives) {
  byte at, want;
  bool ok, late;
  late = dead_returned;
#ifdef BUG_CHECKFIRST
  walk(e, g);
  infl[e]++;
#else
  infl[e]++;
  walk(e, g);
#endif
  if
  :: ok ->
     assert(!(late && who == 1));                 /* it began after the revoker was told "dead" */
     assert(used[e] && holder[e] == who);
     if
     :: derives && !used[3] ->
        atomic { parent[3] = e; parent_gen[3] = g; holder[3] = who; used[3] = true; live[3] = true }
        run call(3, gen[3], who, false)
     :: else
     fi;
     assert(used[e] && holder[e] == who);
  :: else
  fi;
  infl[e]--
}

inline free_slot(e) {
  atomic {
    live[e] = false;
    used[e] = false;
    gen[e]++
  }
}

inline has_child(e) {
  child = (used[1] && parent[1] == e && e != 1) || (used[2] && parent[2] == e) || (used[3] && parent[3] == e)
}

/* One endpoint of the dead tree, when it can be freed. */
inline sweep(e) {
  if
  :: used[e] && holder[e] == 1 ->
#ifndef BUG_NOMARK
     live[e] = false;
#endif
#ifdef BUG_CHILDRENFIRST
     atomic { has_child(e) };
     if
     :: !child -> infl[e] == 0; free_slot(e)
     :: else
     fi
#else
#ifdef BUG_NOWAIT
     skip;
#else
     infl[e] == 0;
#endif
     atomic { has_child(e) };
     if :: !child -> free_slot(e) :: else fi
#endif
  :: else
  fi
}

proctype revoker() {
  bool child;
  live[0] = false;                                /* dead: one store */
  dead_returned = true;
  do
  :: used[0] -> sweep(3); sweep(2); sweep(1); sweep(0)
  :: else -> break
  od;
  assert(!(used[1] && holder[1] == 1) && !(used[2] && holder[2] == 1) && !(used[3] && holder[3] == 1))
}

/* Another owner gets slot 2 when it is free: a root of its own. */
proctype minter() {
end:
  atomic { !used[2] -> parent[2] = NONE; parent_gen[2] = 0; holder[2] = 2; used[2] = true; live[2] = true };
  run call(2, gen[2], 2, false)
}

init {
  atomic {
    parent[0] = NONE; parent[1] = 0; parent[2] = 1; parent[3] = NONE;
    parent_gen[1] = 0; parent_gen[2] = 0;
    holder[0] = 1; holder[1] = 1; holder[2] = 1;
    used[0] = true; used[1] = true; used[2] = true;
    live[0] = true; live[1] = true; live[2] = true;
    run call(2, 0, 1, false);
    run call(2, 0, 1, false);
    run call(1, 0, 1, true);
    run revoker();
    run minter()
  }
}
