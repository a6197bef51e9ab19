package harness_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// standInEnv makes the test binary a controller: its value says which.
const standInEnv = "GITOPS_DRIFT_HARNESS_STANDIN"

// standIn is the program of the workload tests.
func standIn(kind string) {
	if kind == "failing" {
		fmt.Fprintln(os.Stderr, "the stand-in was told to fail")
		os.Exit(3)
	}
	// A webhook that refuses everything and says as which Pod.
	mux := http.NewServeMux()
	mux.HandleFunc("/ready", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, req *http.Request) {
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(req.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{
			UID:    review.Request.UID,
			Result: &metav1.Status{Message: "refused by Pod " + os.Getenv("POD_NAME") + "."},
		}
		if err := json.NewEncoder(w).Encode(review); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
	go serve(os.Args[1], mux, "", "")
	serve(os.Args[2], mux, os.Args[3], os.Args[4])
}

func serve(address string, handler http.Handler, cert, key string) {
	server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	fmt.Fprintln(os.Stderr, "serving on", address)
	listen := server.ListenAndServe
	if cert != "" {
		listen = func() error { return server.ListenAndServeTLS(cert, key) }
	}
	fmt.Fprintln(os.Stderr, listen())
	os.Exit(1)
}
