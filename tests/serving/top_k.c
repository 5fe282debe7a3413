/* Serves an export without Python: loads a SavedModel through TensorFlow's C API, feeds raw values,
 * and prints what two outputs hold, an id and a score a line.
 *
 *   top_k DIRECTORY IDS SCORES {INPUT TYPE SHAPE VALUE...}...
 *
 * IDS, SCORES and INPUT are names of tensors (`name:0`), as the signature in saved_model.pb maps
 * them: reading that mapping here would need protocol buffers in C. TYPE is string, int64, int32 or
 * float; SHAPE is `2x3` for a matrix, `2` for a vector, `-` for a scalar, and tells how many values
 * follow. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

#define MOST_INPUTS 32

static void fail(const char* what, const char* why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static void check(const TF_Status* status, const char* what) {
  if (TF_GetCode(status) != TF_OK) fail(what, TF_Message(status));
}

static TF_Output output_named(TF_Graph* graph, const char* name) {
  char node[256];
  const char* colon = strrchr(name, ':');
  if (!colon || (size_t)(colon - name) >= sizeof node) fail(name, "is no name of a tensor");
  memcpy(node, name, colon - name);
  node[colon - name] = '\0';
  TF_Output output = {TF_GraphOperationByName(graph, node), atoi(colon + 1)};
  if (!output.oper) fail(name, "is not in the graph");
  return output;
}

/* A tensor of the values that start at `*argument`, which moves behind them. */
static TF_Tensor* tensor_of(const char* type, const char* shape, char*** argument) {
  int64_t dims[2], count = 1;
  int rank = sscanf(shape, "%" SCNd64 "x%" SCNd64, &dims[0], &dims[1]);
  if (rank < 0) rank = 0;
  for (int i = 0; i < rank; ++i) count *= dims[i];
  TF_DataType kind;
  if (!strcmp(type, "string")) kind = TF_STRING;
  else if (!strcmp(type, "int64")) kind = TF_INT64;
  else if (!strcmp(type, "int32")) kind = TF_INT32;
  else if (!strcmp(type, "float")) kind = TF_FLOAT;
  else fail(type, "is no known type"), kind = TF_FLOAT;
  TF_Tensor* tensor = TF_AllocateTensor(kind, dims, rank, count * TF_DataTypeSize(kind)
                                        + (kind == TF_STRING) * count * sizeof(TF_TString));
  void* data = TF_TensorData(tensor);
  for (int64_t i = 0; i < count; ++i) {
    const char* text = *(*argument)++;
    if (!text) fail(shape, "asks for more values than are given");
    if (kind == TF_STRING) {
      /* A TF_TString must be initialised before it is written: it may own memory. */
      TF_TString_Init((TF_TString*)data + i);
      TF_TString_Copy((TF_TString*)data + i, text, strlen(text));
    } else if (kind == TF_INT64) {
      ((int64_t*)data)[i] = strtoll(text, NULL, 10);
    } else if (kind == TF_INT32) {
      ((int32_t*)data)[i] = (int32_t)strtol(text, NULL, 10);
    } else {
      ((float*)data)[i] = strtof(text, NULL);
    }
  }
  return tensor;
}

int main(int argc, char** argv) {
  if (argc < 4) fail(argv[0], "DIRECTORY IDS SCORES {INPUT TYPE SHAPE VALUE...}...");
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  TF_Buffer* meta_graph = TF_NewBuffer();
  const char* tags[] = {"serve"};
  TF_Session* session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph,
                                                     meta_graph, status);
  check(status, "loading");
  if (!meta_graph->length) fail(argv[1], "came without its MetaGraphDef");

  TF_Output outputs[2] = {output_named(graph, argv[2]), output_named(graph, argv[3])};
  TF_Output inputs[MOST_INPUTS];
  TF_Tensor* fed[MOST_INPUTS];
  TF_Tensor* got[2] = {NULL, NULL};
  int count = 0;
  /* argv ends with NULL, so an input whose type or shape is missing is noticed below. */
  for (char** argument = argv + 4; *argument; ++count) {
    if (count == MOST_INPUTS || !argument[1] || !argument[2]) fail(*argument, "is cut off");
    char **type = argument + 1, **shape = argument + 2;
    inputs[count] = output_named(graph, *argument);
    argument += 3;
    fed[count] = tensor_of(*type, *shape, &argument);
  }
  TF_SessionRun(session, NULL, inputs, fed, count, outputs, got, 2, NULL, 0, NULL, status);
  check(status, "running");

  for (int64_t i = 0; i < TF_TensorElementCount(got[1]); ++i) {
    if (TF_TensorType(got[0]) == TF_STRING) {
      const TF_TString* id = (const TF_TString*)TF_TensorData(got[0]) + i;
      printf("%.*s", (int)TF_TString_GetSize(id), TF_TString_GetDataPointer(id));
    } else {
      printf("%" PRId64, ((const int64_t*)TF_TensorData(got[0]))[i]);
    }
    /* Nine digits are enough to tell any two floats apart. */
    printf("\t%.9g\n", ((const float*)TF_TensorData(got[1]))[i]);
  }

  for (int i = 0; i < count; ++i) TF_DeleteTensor(fed[i]);
  for (int i = 0; i < 2; ++i) TF_DeleteTensor(got[i]);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteBuffer(meta_graph);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
