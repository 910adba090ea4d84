/* Exercises the credentials with which this host would pull: a HEAD of each manifest of the window, now and then, so
 * that those that expired or lost a right are known before the day.  Belongs to one thread; blocks.
 */
#pragma once

#include "agent/config.h"
#include "agent/entry.h"
#include "base/http.h"

typedef struct RpExercise RpExercise;

/* All borrowed; `cancelled` as in RpHttpRequest. */
RpExercise *rp_exercise_new (const RpAgentConfig *config, RpHttpClient *http, const gint *cancelled);
void rp_exercise_free (RpExercise *exercise);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (RpExercise, rp_exercise_free)

/* This is the window now. */
void rp_exercise_take (RpExercise *exercise, const RpPointer *pointer);
/* Tries, if it is time to: the window is another one, the last try was refused or is long ago. A registry that does not
 * answer proves nothing. */
void rp_exercise_run (RpExercise *exercise);
/* What the server is told: NULL while nothing is known, "ok", or why not. Borrowed until the next run. */
const char *rp_exercise_word (const RpExercise *exercise);
