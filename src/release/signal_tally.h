/* What the measurements of one signal after one move came to. Plain facts: signal/judge.h says what follows. */
#pragma once

#include <glib.h>
#include <jansson.h>

typedef enum
{
  RP_SAMPLE_NONE, /* not measured yet */
  RP_SAMPLE_OK,
  RP_SAMPLE_BAD,
  RP_SAMPLE_INCONCLUSIVE, /* there is no answer, or none that says anything */
  RP_SAMPLE_ERROR         /* it could not be asked */
} RpSampleOutcome;
const char *rp_sample_outcome_name (RpSampleOutcome outcome);
RpSampleOutcome rp_sample_outcome_parse (const char *name); /* of our own records */

/* Of all signals of a revision together. */
typedef enum
{
  RP_SIGNAL_WATCHING,
  RP_SIGNAL_HELD,
  RP_SIGNAL_FAILED,
  RP_SIGNAL_UNKNOWN, /* it could not be told */
  RP_SIGNAL_LEFT     /* the pointer moved on before */
} RpSignalState;
const char *rp_signal_state_name (RpSignalState state);
RpSignalState rp_signal_state_parse (const char *name); /* of our own records */

typedef struct
{
  char *name;
  gint64 ok, bad, inconclusive, errors; /* how many of each */
  gint64 blind;            /* the last so many in a row were inconclusive or errors */
  RpSampleOutcome outcome; /* of the last */
  char *detail;            /* of the last: what was seen; or NULL */
  gint64 at_us;            /* of the last; 0: none yet */
} RpSignalTally;
RpSignalTally *rp_signal_tally_new (const char *name);
void rp_signal_tally_free (gpointer tally);
/* The one with that name, or NULL. */
RpSignalTally *rp_signal_tally_find (const GPtrArray *tallies, const char *name);
/* Counts one more. */
void rp_signal_tally_add (RpSignalTally *tally, RpSampleOutcome outcome, const char *detail, gint64 at_us);

json_t *rp_signal_tally_to_json (const RpSignalTally *tally);
RpSignalTally *rp_signal_tally_from_json (const json_t *json); /* of our own records */
