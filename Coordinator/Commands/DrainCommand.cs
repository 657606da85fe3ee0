using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Observers;
using Distributed.Coordinator.Runs;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Status;
using Distributed.Jobs;

namespace Distributed.Coordinator.Commands;

internal static class DrainCommand
{
    public static Command Create()
    {
        var run = Declare.Required("--run", "Folder of the run.");
        var workers = Declare.Argument<string[]>("WORKER", ArgumentArity.OneOrMore, "Workers, by their names in plans and logs.");
        return Declare.Command("drain",
            "Asks workers of a run to leave in good order, and waits until they have left. Example: drain --run runs/mine worker-2",
            [run, workers],
            (parsed, _) => RunAsync(parsed.GetRequiredValue(run), parsed.GetRequiredValue(workers)));
    }

    /// <returns>Exit code: 0 all have left, 1 not all, 2 bad input.</returns>
    private static Task<int> RunAsync(string run, IReadOnlyList<string> workers) =>
        Failures.ReportAsync("interrupted; a worker that was asked to leave still leaves", async stopping =>
        {
            var state = Failures.Input(() => Load(run));
            using var client = Client(state.Token);
            if (await AddressOfAsync(state, stopping).ConfigureAwait(false) is not { } address)
                throw new IOException($"the coordinator of '{run}' takes commands only at {state.PageBind}, not an address of this "
                    + "machine: run drain on the coordinator's, since the token of the job must not cross a network unencrypted");
            var exitCode = 0;
            try
            {
                foreach (var worker in workers)
                    exitCode = Math.Max(exitCode, await DrainAsync(client, address, worker, stopping).ConfigureAwait(false));
                return exitCode;
            }
            catch (HttpRequestException error)
            {
                var authority = address.GetLeftPart(UriPartial.Authority);
                throw new IOException($"the coordinator of '{run}' does not answer at {authority}: {error.Message}", error);
            }
        });

    private static RunState Load(string run)
    {
        var path = Path.Combine(run, RunFolder.StateName);
        return File.Exists(path)
            ? RunState.Load(path) : throw new RunFolderException($"'{run}' holds no unfinished run. Give the folder of one with --run.");
    }

    // Without a proxy, which would see the token of the job, and without a timeout, since a worker leaves at the end of a step, which may
    // take long.
    private static HttpClient Client(byte[] token)
    {
        var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false };
        var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.Authorization = new(StatusCommand.Scheme, Convert.ToHexString(token));
        return client;
    }

    /// <returns>The address of the coordinator; null if it is not on this machine.</returns>
    private static async Task<Uri?> AddressOfAsync(RunState state, CancellationToken cancellation)
    {
        try
        {
            var bound = await ListenAddress.OfAsync(state.PageBind ?? PageAddress.Default, cancellation).ConfigureAwait(false);
            var address = bound.Equals(IPAddress.Any) ? IPAddress.Loopback
                : bound.Equals(IPAddress.IPv6Any) ? IPAddress.IPv6Loopback : bound;
            return LocalAddresses.Has(address)
                ? new UriBuilder(Uri.UriSchemeHttp, $"{address}", state.PagePort, DrainRequest.Path).Uri : null;
        }
        catch (SocketException)
        {
            return null;
        }
    }

    private static async Task<int> DrainAsync(HttpClient client, Uri address, string worker, CancellationToken stopping)
    {
        var query = new Uri(address, $"?{DrainRequest.Worker}={Uri.EscapeDataString(worker)}");
        using var response = await client.PostAsync(query, null, stopping).ConfigureAwait(false);
        var text = await response.Content.ReadAsStringAsync(stopping).ConfigureAwait(false);
        if (response.StatusCode is not (HttpStatusCode.OK or DrainRequest.HeldBack))
            return CommandLine.Fail(response.StatusCode == HttpStatusCode.NotFound ? 2 : 1, text);
        Console.WriteLine(Shown.InFull(text));
        return response.StatusCode == HttpStatusCode.OK ? 0 : 1;
    }
}
