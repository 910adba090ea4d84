/* Lifecycle policies: what ECR refuses is refused here, and what goes there goes here. */
#include "check.h"

#include "base/json.h"
#include "retention/lifecycle.h"

#define NOW (1000 * RP_DAY_US)

static RpLifecycle *
parse (const char *text)
{
  GError *error = NULL;
  g_autoptr (json_t) document = rp_json_parse (text, strlen (text), "policy", &error);
  RpLifecycle *policy;

  check_ok (document != NULL);
  policy = rp_lifecycle_parse (document, &error);
  check_ok (policy != NULL);
  return policy;
}

/* ---- what is refused ---- */

#define RULE(n, selection, action)                                                                 \
  "{'rulePriority':" n ",'selection':{" selection "},'action':{" action "}}"
#define EXPIRE "'type':'expire'"
#define ARCHIVE "'type':'transition','targetStorageClass':'archive'"
#define COUNT(n) "'countType':'imageCountMoreThan','countNumber':" n
#define DAYS(n) "'countType':'sinceImagePushed','countUnit':'days','countNumber':" n
#define UNTAGGED "'tagStatus':'untagged',"
#define ANY "'tagStatus':'any',"
#define TAGGED(list) "'tagStatus':'tagged','tagPatternList':[" list "],"
#define RULES(list) "{'rules':[" list "]}"
#define ONE(selection) RULES (RULE ("1", selection, EXPIRE))

static const struct {
  const char *document; /* with ' for " */
  const char *complaint;
} refused[] = {
  { "{}", "rules: expected a list" },
  { "{'rules':[],'more':1}", "policy: there is no member \"more\"" },
  { RULES ("{'selection':{},'action':{}}"), "rules[0].rulePriority: is missing" },
  { RULES ("{'rulePriority':1,'action':{}}"), "rules[0].selection: is missing" },
  { RULES ("{'rulePriority':'1'}"), "rules[0].rulePriority: expected a whole number" },
  { RULES ("{'rulePriority':0}"), "rules[0].rulePriority: must be 1 to" },
  { RULES ("{'rulePriority':1,'description':7}"), "rules[0].description: expected a text" },
  { RULES ("{'rulePriority':1,'priority':1}"), "rules[0]: there is no member \"priority\"" },
  { RULES (RULE ("1", UNTAGGED COUNT ("1"), EXPIRE) "," RULE ("1", ANY COUNT ("1"), EXPIRE)),
    "rules[1]: rulePriority 1 is taken" },
  { ONE (COUNT ("1")), "rules[0].selection.tagStatus: is missing" },
  { ONE ("'tagStatus':'latest'," COUNT ("1")), "selection.tagStatus: must be one of: tagged" },
  { ONE ("'tagStatus':'tagged'," COUNT ("1")), "needs tagPatternList or tagPrefixList" },
  { ONE ("'tagPrefixList':['a']," TAGGED ("'b'") COUNT ("1")), "cannot both be given" },
  { ONE (UNTAGGED "'tagPrefixList':['a']," COUNT ("1")),
    "selection.tagPrefixList: goes with tagStatus \"tagged\" alone" },
  { ONE (ANY "'tagPatternList':['a']," COUNT ("1")),
    "selection.tagPatternList: goes with tagStatus \"tagged\" alone" },
  { ONE (TAGGED ("") COUNT ("1")), "tagPatternList: expected a list with at least one" },
  { ONE (TAGGED ("'a','*b*c*d*e*'") COUNT ("1")), "tagPatternList[1]: \"*b*c*d*e*\" has 5 `*`" },
  { ONE (TAGGED ("'a b'") COUNT ("1")), "tagPatternList[0]: \"a b\" has a character" },
  { ONE (TAGGED ("7") COUNT ("1")), "tagPatternList[0]: expected a text" },
  { ONE ("'tagStatus':'tagged','tagPrefixList':['v*']," COUNT ("1")), "a prefix has no `*`" },
  { ONE (UNTAGGED "'countNumber':1"), "selection.countType: is missing" },
  { ONE (UNTAGGED "'countType':'imageCountMoreThan'"), "selection.countNumber: is missing" },
  { ONE (UNTAGGED COUNT ("0")), "selection.countNumber: must be 1 to" },
  { ONE (UNTAGGED COUNT ("1.5")), "selection.countNumber: expected a whole number" },
  { ONE (UNTAGGED COUNT ("1") ",'countUnit':'days'"),
    "selection.countUnit: does not go with imageCountMoreThan" },
  { ONE (UNTAGGED "'countType':'sinceImagePushed','countNumber':1"),
    "selection.countUnit: is missing" },
  { ONE (UNTAGGED "'countType':'sinceImagePushed','countNumber':1,'countUnit':'hours'"),
    "selection.countUnit: must be one of: days" },
  { ONE (UNTAGGED "'storageClass':'archive'," COUNT ("1")), "goes with sinceImageTransitioned" },
  { ONE (UNTAGGED "'storageClass':'cold'," COUNT ("1")), "storageClass: must be one of" },
  { ONE (UNTAGGED "'countType':'sinceImageTransitioned','countUnit':'days','countNumber':90"),
    "storageClass: must be \"archive\"" },
  { ONE (UNTAGGED "'storageClass':'archive','countType':'sinceImageTransitioned','countUnit':'days',"
                  "'countNumber':89"),
    "countNumber: must be 90 to" },
  { ONE (UNTAGGED "'countType':'sinceImagePulled','countUnit':'days','countNumber':9"),
    "action.type: sinceImagePulled goes with \"transition\" alone" },
  { RULES (RULE ("1",
                 UNTAGGED "'storageClass':'archive','countType':'sinceImageTransitioned',"
                          "'countUnit':'days','countNumber':90",
                 ARCHIVE)),
    "action.type: sinceImageTransitioned goes with \"expire\" alone" },
  { RULES (RULE ("1", UNTAGGED COUNT ("1"), "'type':'delete'")), "action.type: must be one of" },
  { RULES (RULE ("1", UNTAGGED COUNT ("1"), "'type':'transition'")),
    "action.targetStorageClass: is missing" },
  { RULES (RULE ("1", UNTAGGED COUNT ("1"), EXPIRE ",'targetStorageClass':'archive'")),
    "action.targetStorageClass: goes with type \"transition\" alone" },
  { RULES (RULE ("1", UNTAGGED COUNT ("1"), EXPIRE) "," RULE ("2", UNTAGGED DAYS ("1"), EXPIRE)),
    "rules[1]: there is a rule for untagged images already" },
  { RULES (RULE ("1", TAGGED ("'a*','b'") COUNT ("1"), EXPIRE) "," RULE (
        "2", TAGGED ("'b','a*'") DAYS ("1"), EXPIRE)),
    "rules[1]: there is a rule for the same tags already" },
  { RULES (RULE ("5", ANY COUNT ("1"), EXPIRE) "," RULE ("9", UNTAGGED COUNT ("1"), EXPIRE)),
    "rules[0]: a rule for tagStatus \"any\" must have the highest rulePriority" },
  { "{'rules':[],'keep':{}}", "keep: expected a list" },
  { "{'rules':[],'keep':[{}]}", "keep[0]: expected exactly one of" },
  { "{'rules':[],'keep':[{'pulledWithin':'1d','lastKnownGood':1}]}", "keep[0]: expected exactly" },
  { "{'rules':[],'keep':[{'deployedWithin':30}]}", "keep[0].deployedWithin: expected a text" },
  { "{'rules':[],'keep':[{'deployedWithin':'soon'}]}", "deployedWithin: expected a duration" },
  { "{'rules':[],'keep':[{'lastKnownGood':0}]}", "keep[0].lastKnownGood: expected a number" },
  { "{'rules':[],'keep':[{'everDeployedTo':'production'}]}", "expected APP/ENVIRONMENT" },
  { "{'rules':[],'keep':[{'pulledWithin':'1d','environment':'a/b'}]}", "keep[0].environment: goes" },
};

static void
what_ecr_refuses_is_refused (void **unused)
{
  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++)
    {
      g_autofree char *text = g_strdelimit (g_strdup (refused[i].document), "'", '"');
      g_autoptr (json_t) document = NULL;
      GError *error = NULL;

      document = rp_json_parse (text, strlen (text), "policy", &error);
      check_ok (document != NULL);
      if (rp_lifecycle_parse (document, &error) != NULL)
        fail_msg ("taken: %s", text);
      assert_int_equal (error->code, RP_ERROR_INVALID);
      check_contains (error->message, refused[i].complaint);
      g_clear_error (&error);
    }
}

static void
fifty_rules_and_not_more (void **unused)
{
  for (int count = RP_LIFECYCLE_RULES_MAX; count <= RP_LIFECYCLE_RULES_MAX + 1; count++)
    {
      g_autoptr (json_t) document = json_object ();
      json_t *rules = json_array ();
      GError *error = NULL;
      g_autoptr (RpLifecycle) policy = NULL;

      json_object_set_new (document, "rules", rules);
      for (int i = 0; i < count; i++)
        {
          g_autofree char *tag = g_strdup_printf ("v%d", i);
          json_array_append_new (
              rules, json_pack ("{s:i,s:{s:s,s:[s],s:s,s:i},s:{s:s}}", "rulePriority", i + 1,
                                "selection", "tagStatus", "tagged", "tagPatternList", tag,
                                "countType", "imageCountMoreThan", "countNumber", 1, "action",
                                "type", "expire"));
        }
      policy = rp_lifecycle_parse (document, &error);
      assert_int_equal (policy != NULL, count <= RP_LIFECYCLE_RULES_MAX);
      g_clear_error (&error);
    }
}

/* ---- what goes ----
 *
 * Images are written `name:days-ago:tags:more`: tags joined by `+`; more is `>a+b` (lists a and b), `^a`
 * (refers to a), `!` (held), `@env/last-day-ago/rank` (ran there; `now`: does), `~days` (pulled), in any
 * number, separated by `;`.
 */

static void
add_more (RpImage *image, const char *more)
{
  g_auto (GStrv) parts = g_strsplit (more, ";", -1);

  for (guint i = 0; parts[i] != NULL; i++)
    {
      const char *rest = parts[i] + 1;
      g_auto (GStrv) words = g_strsplit (rest, *parts[i] == '@' ? "," : "+", -1);

      if (*parts[i] == '!')
        image->held = TRUE;
      else if (*parts[i] == '^')
        image->subject = g_strdup (rest);
      else if (*parts[i] == '~')
        image->pulled_us = NOW - g_ascii_strtoll (rest, NULL, 10) * RP_DAY_US;
      else if (*parts[i] == '>')
        for (guint k = 0; words[k] != NULL; k++)
          g_ptr_array_add (image->children, g_strdup (words[k]));
      else if (*parts[i] == '@')
        {
          RpImageUse use = { g_strdup (words[0]), G_MAXINT64, g_ascii_strtoll (words[2], NULL, 10) };
          if (strcmp (words[1], "now") != 0)
            use.last_us = NOW - g_ascii_strtoll (words[1], NULL, 10) * RP_DAY_US;
          g_array_append_val (image->uses, use);
        }
    }
}

static GPtrArray *
make_images (const char *text)
{
  GPtrArray *images = g_ptr_array_new_with_free_func (rp_image_free);
  g_auto (GStrv) words = g_strsplit (text, " ", -1);

  for (guint i = 0; words[i] != NULL; i++)
    {
      g_auto (GStrv) parts = g_strsplit (words[i], ":", 4);
      g_auto (GStrv) tags = g_strsplit (parts[2], "+", -1);
      RpImage *image = rp_image_new (parts[0]);

      image->seq = i + 1;
      image->pushed_us = NOW - (gint64) (g_ascii_strtod (parts[1], NULL) * RP_DAY_US);
      for (guint k = 0; tags[k] != NULL; k++)
        if (*tags[k] != '\0')
          g_ptr_array_add (image->tags, g_strdup (tags[k]));
      if (parts[3] != NULL)
        add_more (image, parts[3]);
      g_ptr_array_add (images, image);
    }
  return images;
}

/* `a1 b2*c`: a goes by rule 1, b by rule 2 with its subject c; `a1!` held, `a1+` kept, `a1<b` listed by b. */
static char *
tell (const GPtrArray *images, const GArray *fates)
{
  static const char marks[] = { [RP_FATE_STAYS] = '.', [RP_FATE_GOES] = '\0', [RP_FATE_HELD] = '!',
                                [RP_FATE_KEPT] = '+', [RP_FATE_NEEDED] = '<' };
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < images->len; i++)
    {
      const RpFate *fate = &g_array_index (fates, RpFate, i);
      const RpImage *image = images->pdata[i];

      if (fate->rule == NULL)
        continue;
      g_string_append_printf (text, "%s%s%" G_GINT64_FORMAT, text->len > 0 ? " " : "",
                              image->digest, fate->rule->priority);
      if (fate->kind != RP_FATE_GOES)
        g_string_append_c (text, marks[fate->kind]);
      else if (fate->via >= 0)
        g_string_append_c (text, '*');
      if (fate->via >= 0)
        g_string_append (text, ((RpImage *) images->pdata[fate->via])->digest);
    }
  return g_string_free (text, FALSE);
}

static const struct {
  const char *name, *policy, *images, *fates;
} evaluated[] = {
  { "nothing is asked", RULES (""), "a:1:v1 b:2:", "" },
  { "the newest stay", ONE (ANY COUNT ("2")), "a:4:v1 b:3: c:2:v3 d:1:v4", "a1 b1" },
  { "oldest first, by the push and not by the name", ONE (ANY COUNT ("1")), "z:1:v9 a:2:v10", "a1" },
  { "of one moment the order is that of the ledger", ONE (ANY COUNT ("1")), "a:1: b:1:", "a1" },
  { "older than N days", ONE (UNTAGGED DAYS ("7")), "a:6: b:7: c:7.01: d:8:v1", "c1" },
  { "a pattern matches the whole tag", ONE (TAGGED ("'v*'") DAYS ("1")), "a:2:v1 b:2:xv1 c:2:v",
    "a1 c1" },
  { "stars inside", ONE (TAGGED ("'*prod*'") DAYS ("1")), "a:2:prod b:2:a-prod-1 c:2:dev", "a1 b1" },
  { "four stars", ONE (TAGGED ("'*a*b*c*'") DAYS ("1")), "a:2:xaybzc b:2:xayb", "a1" },
  { "a prefix",
    RULES (RULE ("1", "'tagStatus':'tagged','tagPrefixList':['v1.']," DAYS ("1"), EXPIRE)),
    "a:2:v1.2 b:2:v12", "a1" },
  { "all of a list must match", ONE (TAGGED ("'a*','b*'") DAYS ("1")),
    "a:2:a1 b:2:a1+b1 c:2:b1 d:2:ab", "b1" },
  { "any tag of an image will do", ONE (TAGGED ("'v*'") DAYS ("1")), "a:2:latest+v1", "a1" },
  { "the lower priority number comes first",
    RULES (RULE ("20", TAGGED ("'*'") COUNT ("1"), EXPIRE) "," RULE (
        "10", TAGGED ("'v*'") DAYS ("1"), EXPIRE)),
    "a:3:v1 b:2:x c:1:y", "a10 b20" },
  { "what a rule spares is shielded from those after it",
    RULES (RULE ("1", TAGGED ("'prod*'") COUNT ("100"), EXPIRE) "," RULE ("2", ANY COUNT ("1"),
                                                                           EXPIRE)),
    "a:9:prod1 b:8:dev c:7:dev2 d:1:x", "b2 c2" },
  { "what an earlier rule marked still counts",
    RULES (RULE ("1", TAGGED ("'beta*'") COUNT ("1"), EXPIRE) "," RULE (
        "2", TAGGED ("'*'") COUNT ("3"), EXPIRE)),
    "a:5:alpha b:4:beta1 c:3:beta2 d:2:x e:1:y", "a2 b1" },
  { "untagged and any", RULES (RULE ("1", UNTAGGED DAYS ("1"), EXPIRE) "," RULE (
                             "2", ANY DAYS ("10"), EXPIRE)),
    "a:11:v1 b:11: c:2: d:2:v2", "a2 b1 c1" },
  { "any is asked last, whatever the order in the document",
    RULES (RULE ("9", ANY DAYS ("1"), EXPIRE) "," RULE ("1", TAGGED ("'v*'") DAYS ("5"), EXPIRE)),
    "a:3:v1 b:3:x", "b9" },
  { "children of an index that stays are spared",
    RULES (RULE ("1", UNTAGGED DAYS ("1"), EXPIRE)), "i:2:v1:>a+b a:2: b:2: c:2:",
    "a1<i b1<i c1" },
  { "children may go with their index", ONE (ANY DAYS ("1")), "i:2:v1:>a a:2:", "i1 a1" },
  { "an index in an index", ONE (UNTAGGED DAYS ("1")), "o:2:v1:>i i:2::>a a:2:", "i1<o a1<i" },
  { "a child of two indexes stays with one", ONE (TAGGED ("'old'") DAYS ("1")),
    "i:2:old:>a j:2:new:>a a:2:old", "i1 a1<j" },
  { "referrers go with their subject", ONE (TAGGED ("'v*'") DAYS ("1")),
    "a:2:v1 s:2::^a t:1::^s u:0::^b b:2:x", "a1 s1*a t1*s" },
  { "referrers stay with their subject", ONE (UNTAGGED DAYS ("1")), "a:9:v1 s:9::^a", "" },
  { "a referrer of nothing is an image like others", ONE (UNTAGGED DAYS ("1")), "s:9::^gone",
    "s1" },
  { "referrers are not counted", ONE (ANY COUNT ("1")), "a:3:v1 s:2::^a b:1:v2", "a1 s1*a" },
  { "a hold wins", ONE (ANY COUNT ("1")), "a:3:v1:! b:2:v2 c:1:v3", "a1! b1" },
  { "a held image still counts", ONE (ANY COUNT ("2")), "a:3:v1 b:2:v2:! c:1:v3", "a1" },
  { "a held index spares its children", ONE (ANY DAYS ("1")), "i:2:v1:>a;! a:2:", "i1! a1<i" },
  { "a held referrer stays although its subject goes", ONE (ANY DAYS ("1")), "a:2:v1 s:2::^a;!",
    "a1 s1!a" },
  { "referrers of a held subject stay", ONE (ANY DAYS ("1")), "a:2:v1:! s:2::^a", "a1!" },
  { "what would be archived stays, and is shielded",
    RULES (RULE ("1", TAGGED ("'v*'") "'countType':'sinceImagePulled','countUnit':'days',"
                                      "'countNumber':5",
                 ARCHIVE) "," RULE ("2", ANY DAYS ("1"), EXPIRE)),
    "a:9:v1 b:9:v2:~2 c:9:x", "a1. c2" },
  { "there is no archive to expire from",
    ONE (ANY "'storageClass':'archive','countType':'sinceImageTransitioned','countUnit':'days',"
             "'countNumber':90"),
    "a:900:v1", "" },
  { "kept: deployed within", "{'rules':[" RULE ("1", ANY DAYS ("1"), EXPIRE) "],'keep':["
                             "{'deployedWithin':'30d'}]}",
    "a:99:v1:@s/p,31,0 b:99:v2:@s/p,30,0 c:99:v3:@s/p,now,0 d:99:v4", "a1 b1+ c1+ d1" },
  { "kept: deployed within, in some environments",
    "{'rules':[" RULE ("1", ANY DAYS ("1"), EXPIRE) "],'keep':["
    "{'deployedWithin':'30d','environment':'*/prod'}]}",
    "a:99:v1:@s/dev,1,0 b:99:v2:@s/dev,1,0;@s/prod,9,0", "a1 b1+" },
  { "kept: ever deployed to", "{'rules':[" RULE ("1", ANY DAYS ("1"), EXPIRE) "],'keep':["
                              "{'everDeployedTo':'s/prod'}]}",
    "a:99:v1:@s/dev,1,0 b:99:v2:@s/prod,900,-1", "a1 b1+" },
  { "kept: last known good", "{'rules':[" RULE ("1", ANY DAYS ("1"), EXPIRE) "],'keep':["
                             "{'lastKnownGood':2}]}",
    "a:9:v1:@s/p,9,2 b:9:v2:@s/p,9,1 c:9:v3:@s/p,9,-1 d:9:v4:@s/p,now,0", "a1 b1+ c1 d1+" },
  { "kept: pulled within", "{'rules':[" RULE ("1", ANY DAYS ("1"), EXPIRE) "],'keep':["
                           "{'pulledWithin':'7d'}]}",
    "a:9:v1 b:9:v2:~8 c:9:v3:~7", "a1 b1 c1+" },
  { "a kept index spares its children",
    "{'rules':[" RULE ("1", ANY DAYS ("1"), EXPIRE) "],'keep':[{'pulledWithin':'7d'}]}",
    "i:9:v1:>a;~1 a:9: b:9:", "i1+ a1<i b1" },
};

static void
what_goes_in_ecr_goes_here (void **unused)
{
  for (gsize i = 0; i < G_N_ELEMENTS (evaluated); i++)
    {
      g_autofree char *text = g_strdelimit (g_strdup (evaluated[i].policy), "'", '"');
      g_autoptr (RpLifecycle) policy = parse (text);
      g_autoptr (GPtrArray) images = make_images (evaluated[i].images);
      g_autoptr (GArray) fates = rp_lifecycle_evaluate (policy, images, NOW);
      g_autofree char *told = tell (images, fates);

      if (strcmp (told, evaluated[i].fates) != 0)
        fail_msg ("%s: expected \"%s\", got \"%s\"", evaluated[i].name, evaluated[i].fates, told);
    }
}

/* The order in which images are listed decides nothing. */
static void
the_order_of_the_list_is_nothing (void **unused)
{
  g_autofree char *text
      = g_strdelimit (g_strdup (RULES (RULE ("1", TAGGED ("'b*'") COUNT ("1"), EXPIRE) "," RULE (
                          "2", ANY COUNT ("2"), EXPIRE))),
                      "'", '"');
  g_autoptr (RpLifecycle) policy = parse (text);
  g_autoptr (GPtrArray) one = make_images ("i:6:v1:>c a:5:b1 b:4:b2 c:3: s:2::^a");
  g_autoptr (GPtrArray) two = make_images ("s:2::^a c:3: b:4:b2 a:5:b1 i:6:v1:>c");
  g_autoptr (GArray) first = rp_lifecycle_evaluate (policy, one, NOW);
  g_autoptr (GArray) second = rp_lifecycle_evaluate (policy, two, NOW);

  for (guint i = 0; i < one->len; i++)
    {
      const RpFate *left = &g_array_index (first, RpFate, i);
      const RpFate *right = &g_array_index (second, RpFate, one->len - 1 - i);
      assert_int_equal (left->kind, right->kind);
      assert_ptr_equal (left->rule, right->rule);
    }
}

static void
rules_are_told_in_words (void **unused)
{
  static const struct {
    const char *selection, *told;
  } cases[] = {
    { ANY COUNT ("5"), "rule 1 (more than 5 images of any tag)" },
    { UNTAGGED DAYS ("1"), "rule 1 (pushed more than 1 day ago, untagged)" },
    { TAGGED ("'v*','x'") COUNT ("1"), "rule 1 (more than 1 image tagged v* and x)" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = g_strdelimit (
          g_strconcat ("{'rules':[{'rulePriority':1,'selection':{", cases[i].selection,
                       "},'action':{'type':'expire'}}]}", NULL),
          "'", '"');
      g_autoptr (RpLifecycle) policy = parse (text);
      g_autofree char *told = rp_lifecycle_describe (policy->rules->pdata[0]);
      assert_string_equal (told, cases[i].told);
    }
}

/* Whoever may push may push a chain of things that refer to each other, in any order. Looked at round by round this one takes
 * thirty thousand rounds. */
static void
a_long_chain_goes_with_what_it_refers_to (void **unused)
{
  enum { LENGTH = 30000 };
  g_autoptr (RpLifecycle) policy
      = parse ("{\"rules\":[{\"rulePriority\":1,\"selection\":{\"tagStatus\":\"any\",\"countType\":"
               "\"imageCountMoreThan\",\"countNumber\":1},\"action\":{\"type\":\"expire\"}}]}");
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func (rp_image_free);
  g_autoptr (GArray) fates = NULL;

  for (guint i = 0; i <= LENGTH; i++)
    {
      g_autofree char *digest = g_strdup_printf ("sha256:%u", i);
      RpImage *image = rp_image_new (digest);
      image->pushed_us = image->seq = i == LENGTH ? LENGTH : LENGTH - i;
      if (i < LENGTH - 1)
        image->subject = g_strdup_printf ("sha256:%u", i + 1);
      g_ptr_array_add (images, image);
    }
  fates = rp_lifecycle_evaluate (policy, images, NOW);
  for (guint i = 0; i < LENGTH; i++)
    {
      assert_int_equal (g_array_index (fates, RpFate, i).kind, RP_FATE_GOES);
      assert_int_equal (g_array_index (fates, RpFate, i).via, i < LENGTH - 1 ? (gint) i + 1 : -1);
    }
  assert_int_equal (g_array_index (fates, RpFate, LENGTH).kind, RP_FATE_STAYS);
}

int
main (void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test (what_ecr_refuses_is_refused), cmocka_unit_test (fifty_rules_and_not_more),
    cmocka_unit_test (what_goes_in_ecr_goes_here),
    cmocka_unit_test (the_order_of_the_list_is_nothing),
    cmocka_unit_test (rules_are_told_in_words),
    cmocka_unit_test (a_long_chain_goes_with_what_it_refers_to),
  };
  return cmocka_run_group_tests (tests, NULL, NULL);
}
