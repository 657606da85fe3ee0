using System.Net;
using System.Net.Sockets;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Observers;
using Distributed.Coordinator.Runs;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Status;
using Distributed.Jobs;

namespace Distributed.Coordinator.Commands;

/// <summary>Asks the coordinator of a run to let workers go, and waits until they have gone.</summary>
internal static class DrainCommand
{
    /// <summary>Drains workers, one after the other.</summary>
    /// <returns>Exit code: 0 all have left, 1 not all, 2 bad input.</returns>
    public static async Task<int> RunAsync(string run, IReadOnlyList<string> workers)
    {
        RunState state;
        try
        {
            var path = Path.Combine(run, RunFolder.StateName);
            if (!File.Exists(path)) return CommandLine.Fail(2, $"'{run}' holds no run that is going on. Give the folder of one with --run.");
            state = RunState.Load(path);
        }
        catch (RunFolderException error)
        {
            return CommandLine.Fail(2, error.Message);
        }
        using var signals = new Signals(onInterrupt: true);
        // A worker leaves at a step boundary, and how long a step takes is the job's business.
        using var client = Client(state.Token);
        if (await AddressOfAsync(state, signals.Stopping).ConfigureAwait(false) is not { } address)
            return CommandLine.Fail(1, $"the coordinator of '{run}' is told at {state.PageBind} alone, which is no address of this machine: ask for it on the coordinator's, as the token of the job must not cross a network in the clear");
        var exitCode = 0;
        try
        {
            foreach (var worker in workers) exitCode = Math.Max(exitCode, await DrainAsync(client, address, worker, signals.Stopping).ConfigureAwait(false));
            return exitCode;
        }
        catch (HttpRequestException error)
        {
            return CommandLine.Fail(1, $"the coordinator of '{run}' does not answer at {address.GetLeftPart(UriPartial.Authority)}: {error.Message}");
        }
        catch (OperationCanceledException) when (signals.Stopping.IsCancellationRequested)
        {
            return CommandLine.Fail(1, "interrupted; who was asked to leave does so all the same");
        }
    }

    /// <summary>Never by way of a proxy, which would be given the token of the job.</summary>
    internal static HttpClient Client(byte[] token)
    {
        var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false }) { Timeout = Timeout.InfiniteTimeSpan };
        client.DefaultRequestHeaders.Authorization = new(StatusCommand.Scheme, Convert.ToHexString(token));
        return client;
    }

    /// <summary>Where the coordinator can be told, on this machine; null where it cannot.</summary>
    internal static async Task<Uri?> AddressOfAsync(RunState state, CancellationToken cancellation)
    {
        try
        {
            var bound = await ListenAddress.OfAsync(state.PageBind ?? PageAddress.Default, cancellation).ConfigureAwait(false);
            var address = bound.Equals(IPAddress.Any) ? IPAddress.Loopback : bound.Equals(IPAddress.IPv6Any) ? IPAddress.IPv6Loopback : bound;
            return LocalAddresses.Has(address) ? new UriBuilder(Uri.UriSchemeHttp, $"{address}", state.PagePort, DrainRequest.Path).Uri : null;
        }
        catch (SocketException)
        {
            return null;
        }
    }

    private static async Task<int> DrainAsync(HttpClient client, Uri address, string worker, CancellationToken stopping)
    {
        using var response = await client.PostAsync(new Uri(address, $"?{DrainRequest.Worker}={Uri.EscapeDataString(worker)}"), null, stopping).ConfigureAwait(false);
        var text = await response.Content.ReadAsStringAsync(stopping).ConfigureAwait(false);
        switch (response.StatusCode)
        {
            case HttpStatusCode.OK:
                Console.WriteLine(Shown.InFull(text));
                return 0;
            case DrainRequest.HeldBack:
                Console.WriteLine(Shown.InFull(text));
                return 1;
            case HttpStatusCode.NotFound:
                return CommandLine.Fail(2, text);
            default:
                return CommandLine.Fail(1, text);
        }
    }
}
