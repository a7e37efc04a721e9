from __future__ import annotations

import sys

import job
import litserve


class Noop(litserve.LitAPI):
    def setup(self, device):
        """Nothing to load."""

    def decode_request(self, request):
        return request["input"]

    def predict(self, input):
        return job.run(input)

    def encode_response(self, output):
        return {"output": output}


if __name__ == "__main__":
    server = litserve.LitServer(Noop(), accelerator="cpu", workers_per_device=1)
    quiet = {"log_level": "warning", "access_log": False, "generate_client_file": False}
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, **quiet)
