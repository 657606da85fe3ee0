using System.CommandLine;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Observers;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Security;

namespace Distributed.Coordinator.Commands;

internal sealed record TrainArguments
{
    public string? JobFile { get; init; } // Null for the embedded job
    public required int Workers { get; init; }
    public required int MinWorkers { get; init; }
    public int MaxRestarts { get; init; } = RestartPolicy.Default;
    public string? Run { get; init; }
    public bool Resume { get; init; }
    public bool ResumeIfBegun { get; init; }
    public string? Init { get; init; }
    public bool IsInitStrict { get; init; } = true;
    public bool Overwrite { get; init; }
    public IReadOnlyList<string> Overrides { get; init; } = []; // KEY=VALUE each
    public required string Device { get; init; }
    public string? DataDirectory { get; init; }
    public IReadOnlyList<string> DeliverFrom { get; init; } = [];
    public IReadOnlyList<string> Plugins { get; init; } = [];
    public double MemoryFraction { get; init; } = Hosting.Processes.MemoryFraction.Default; // Of all started workers together
    public required string Host { get; init; }
    public string? Bind { get; init; } // Null for the address of Host
    public int Port { get; init; }
    public int LinkPort { get; init; }
    public int MetricsPort { get; init; }
    public PageArguments Page { get; init; } = new();
    public SecurityArguments Security { get; init; } = new();
    public bool Stay { get; init; }
}

internal static class TrainOptions
{
    public static OptionSet<TrainArguments> Create()
    {
        var options = new OptionSet<TrainArguments>(new() { Workers = 2, MinWorkers = 1, Device = "auto", Host = "127.0.0.1" });
        options.Add(Declare.Argument<string?>("JOB.yaml", ArgumentArity.ZeroOrOne, "Job file. Default: the embedded digits job."),
            (to, file) => to with { JobFile = file });
        options.Number("--workers", 2, 0, 1024, (to, n) => to with { Workers = n },
            "Worker processes to start on this machine; 0 waits for workers that join from elsewhere.");
        options.Number("--min-workers", 1, 1, 1024, (to, n) => to with { MinWorkers = n }, "Least number of workers that training needs.");
        options.Number("--max-restarts", RestartPolicy.Default, 0, RestartPolicy.Most, (to, n) => to with { MaxRestarts = n },
            "Restarts allowed for all started workers together; 0: none. A worker is restarted if it is killed, or if it crashes or fails "
            + "after it has taken part. The first pause is 1 s; it doubles with each restart of the same worker, up to 1 minute.");
        options.Text("--run", (to, folder) => to with { Run = folder }, "Run folder, which receives the results. Default: runs/TIME-JOB.");
        options.Flag("--resume", (to, yes) => to with { Resume = yes },
            "Continue the run in the folder of --run, whose coordinator has ended; its remaining workers are taken over.");
        options.Flag("--resume-if-begun", (to, yes) => to with { ResumeIfBegun = yes },
            "For a supervisor that starts this command repeatedly: begins the run in the folder of --run if there is none, continues one "
            + "that was begun, and leaves a finished one as it is (exit code 0). SIGTERM leaves the workers to the next coordinator.");
        options.Text("--init", (to, file) => to with { Init = file },
            "Safetensors file with the initial parameters, named like PyTorch's state_dict. Default: drawn from the seed.");
        options.Add(Declare.Flag("--init-strict", true,
            "Whether that file must hold exactly the model's tensors; with false, tensors that fit are used, others are listed."),
            (to, yes) => to with { IsInitStrict = yes });
        options.Flag("--overwrite", (to, yes) => to with { Overwrite = yes }, "Replace the run that the folder holds.");
        options.Many("--set", (to, keys) => to with { Overrides = keys },
            "Override a key of the job, such as --set optimizer.learning-rate=0.1");
        options.Text("--device", "auto", (to, device) => to with { Device = device }, "Device of the started workers: auto, cpu, cuda:N.");
        options.Text("--data-dir", (to, folder) => to with { DataDirectory = folder },
            "Folder with data sets, for the started workers and to send to workers that lack the data.");
        options.Many("--deliver-from", (to, folders) => to with { DeliverFrom = folders },
            "Folder that links in the data may point to when the data is sent to workers; other links out of the data folder are rejected");
        options.Add(MemoryFraction.Option("the started workers together"), (to, share) => to with { MemoryFraction = share });
        options.Add(PluginOption.Create(), (to, files) => to with { Plugins = PluginOption.Paths(files) });
        AddPlaces(options);
        var security = new SecurityOptions();
        options.Add([security.Certificates, security.TokenFile, security.Insecure],
            (to, parsed) => to with { Security = security.Of(parsed) });
        options.Flag("--stay", (to, yes) => to with { Stay = yes }, "Show the finished run on the live page until Ctrl-C or SIGTERM.");
        return options;
    }

    private static void AddPlaces(OptionSet<TrainArguments> options)
    {
        options.Text("--host", "127.0.0.1", (to, host) => to with { Host = host }, "Address of this machine that workers connect to.");
        options.Text("--bind", (to, address) => to with { Bind = address },
            "Address of this machine to listen at: 0.0.0.0 for all. Default: that of --host.");
        options.Port("--port", (to, port) => to with { Port = port }, "the control plane");
        options.Port("--link-port", (to, port) => to with { LinkPort = port }, "the tensor links");
        options.Port("--metrics-port", (to, port) => to with { MetricsPort = port }, "/metrics, /healthz and /readyz");
        options.Text("--metrics-bind", (to, address) => to with { Page = to.Page with { MetricsBind = address } },
            "Address of this machine to serve /metrics, /healthz and /readyz at: 0.0.0.0 for all. Default: that of --bind.");
        options.Text("--page-bind", (to, address) => to with { Page = to.Page with { Bind = address } },
            "Address of this machine to serve the live page and the run's files at. Default: 127.0.0.1; at any other, readers need the "
            + "token in the printed address, and nothing is encrypted.");
        options.Port("--page-port", (to, port) => to with { Page = to.Page with { Port = port } }, "the live page");
        options.Add(AllowHostOption.Create(), (to, names) => to with { Page = to.Page with { AllowedHosts = names } });
    }
}
