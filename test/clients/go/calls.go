package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/endpoints"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/eci"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/location"
)

const timeout = 20 * time.Second

// The operations on image caches that this SDK has models for.
var models = map[string]func(*eci.Client, json.RawMessage) (any, error){
	"CreateImageCache":    model(eci.CreateCreateImageCacheRequest, (*eci.Client).CreateImageCache),
	"DescribeImageCaches": model(eci.CreateDescribeImageCachesRequest, (*eci.Client).DescribeImageCaches),
	"DeleteImageCache":    model(eci.CreateDeleteImageCacheRequest, (*eci.Client).DeleteImageCache),
	"DescribeRegions":     model(eci.CreateDescribeRegionsRequest, (*eci.Client).DescribeRegions),
}

func model[Request, Response any](
	create func() Request,
	do func(*eci.Client, Request) (Response, error),
) func(*eci.Client, json.RawMessage) (any, error) {
	return func(client *eci.Client, fields json.RawMessage) (any, error) {
		request := create()
		if err := json.Unmarshal(fields, request); err != nil {
			return nil, err
		}
		return do(client, request)
	}
}

func run(call Call) (any, error) {
	if method := strings.TrimPrefix(call.Client, "common "); method != call.Client {
		return runCommon(call, method)
	}
	endpoint := call.Endpoint
	if call.Client == "location" {
		found, err := askLocation(call)
		if err != nil {
			return nil, err
		}
		endpoint = found
	}
	// As Terraform's provider tells the SDK of an endpoint.
	if err := endpoints.AddEndpointMapping(call.RegionID, "Eci", endpoint); err != nil {
		return nil, err
	}
	client, err := eci.NewClientWithOptions(call.RegionID, config(), credential(call.Key))
	if err != nil {
		return nil, err
	}
	do, ok := models[call.Action]
	if !ok {
		return nil, fmt.Errorf("the SDK has no model of %s", call.Action)
	}
	return do(client, call.Fields)
}

// askLocation finds the endpoint as Terraform's provider does when it is told of the Location service's alone.
// The search inside the SDK asks a fixed name, over HTTPS only.
func askLocation(call Call) (string, error) {
	client, err := location.NewClientWithOptions(call.RegionID, config(), credential(call.Key))
	if err != nil {
		return "", err
	}
	request := location.CreateDescribeEndpointsRequest()
	request.Domain, request.Id, request.ServiceCode = call.Endpoint, call.RegionID, "eci"
	response, err := client.DescribeEndpoints(request)
	if err != nil {
		return "", err
	}
	for _, endpoint := range response.Endpoints.Endpoint {
		if endpoint.Type == "openAPI" {
			return endpoint.Endpoint, nil
		}
	}
	return "", fmt.Errorf("no endpoint of eci in region %s", call.RegionID)
}

// runCommon calls without a model, as the aliyun command line does: any action, fields by their names on the wire.
func runCommon(call Call, method string) (any, error) {
	client, err := sdk.NewClientWithOptions(call.RegionID, config(), credential(call.Key))
	if err != nil {
		return nil, err
	}
	request := requests.NewCommonRequest()
	request.Product, request.Version, request.ApiName = "Eci", "2018-08-08", call.Action
	request.Domain, request.Method, request.Scheme = call.Endpoint, method, requests.HTTP
	if err := json.Unmarshal(call.Fields, &request.QueryParams); err != nil {
		return nil, err
	}
	response, err := client.ProcessCommonRequest(request)
	if err != nil {
		return nil, err
	}
	return json.RawMessage(response.GetHttpContentBytes()), nil
}

func config() *sdk.Config {
	return sdk.NewConfig().WithScheme("HTTP").WithTimeout(timeout).WithAutoRetry(false)
}

func credential(key Key) auth.Credential {
	if key.Token != "" {
		return credentials.NewStsTokenCredential(key.ID, key.Secret, key.Token)
	}
	return credentials.NewAccessKeyCredential(key.ID, key.Secret)
}
