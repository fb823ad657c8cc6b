// Calls a server with Alibaba Cloud's SDK for Go as JSON lines ask for: one call on a line in, its answer or its error on a
// line out, as the SDK decoded them.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"reflect"

	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
)

const maxLineBytes = 1 << 20

// Call is one line of input.
type Call struct {
	// How to call: `models`, `location`, `common GET` or `common POST`.
	Client   string
	Endpoint string
	RegionID string
	Key      Key
	Action   string
	Fields   json.RawMessage
}

// Key is an access key; with a token, a temporary one.
type Key struct{ ID, Secret, Token string }

// Refusal is an error of the SDK, by its own getters.
type Refusal struct {
	Type         string         `json:"type"`
	Status       int            `json:"status"`
	Code         string         `json:"code"`
	Message      string         `json:"message"`
	RequestID    string         `json:"requestId,omitempty"`
	Recommend    string         `json:"recommend,omitempty"`
	AccessDenied map[string]any `json:"accessDeniedDetail,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, maxLineBytes)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var call Call
		err := json.Unmarshal(lines.Bytes(), &call)
		var answer any
		if err == nil {
			answer, err = run(call)
		}
		if err != nil {
			err = out.Encode(map[string]any{"error": refusalOf(err)})
		} else {
			err = out.Encode(map[string]any{"answer": answer})
		}
		if err != nil {
			panic(err)
		}
	}
}

func refusalOf(err error) Refusal {
	refusal := Refusal{Type: reflect.TypeOf(err).String(), Message: err.Error()}
	if known, ok := err.(sdkerrors.Error); ok {
		refusal.Status, refusal.Code, refusal.Message = known.HttpStatus(), known.ErrorCode(), known.Message()
	}
	if server, ok := err.(*sdkerrors.ServerError); ok {
		refusal.RequestID, refusal.Recommend = server.RequestId(), server.Recommend()
		refusal.AccessDenied = server.AccessDeniedDetail()
	}
	return refusal
}
