using System.CommandLine;
using System.Net;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Security;
using Distributed.Jobs.Data;

namespace Distributed.Worker.Commands;

/// <summary>What the worker's program can be told to do.</summary>
internal static class WorkerCommands
{
    private const double GiB = 1 << 30;

    /// <summary>All commands, for the command line.</summary>
    public static RootCommand Create()
    {
        var coordinator = new Option<string>("--coordinator") { Description = "Address of the coordinator, HOST:PORT.", Required = true };
        var device = new Option<string>("--device") { Description = "What to compute with: auto (CUDA where there is one), cpu, cuda:N.", DefaultValueFactory = _ => "auto" };
        var name = new Option<string?>("--name") { Description = "Name of this worker in plans, logs and metrics. Default: the machine's name and the process id." };
        var host = new Option<string?>("--host") { Description = "Address that the coordinator reaches this worker at. Default: the one that this machine reaches the coordinator from." };
        var bind = new Option<string?>("--bind") { Description = "Address of this machine to listen at: 0.0.0.0 for all. Default: that of --host." };
        var dataDir = new Option<string?>("--data-dir") { Description = "Folder with data sets." };
        var dataLimit = new Option<double>("--data-limit") { Description = "GiB that a data set may have which the coordinator sends to this worker, into its cache; 0 for none at all.", DefaultValueFactory = _ => DataOptions.DefaultDeliveryLimit / GiB };
        dataLimit.Allow(limit => limit is >= 0 and <= 1_000_000, "0 to 1000000");
        var plugin = new Option<string[]>("--plugin") { Description = "Library (.dll) with models or tasks of your own, which it trusts; may be given more than once.", AllowMultipleArgumentsPerToken = false, DefaultValueFactory = _ => [] };
        var linkPort = new Option<int>("--link-port") { Description = "Port of the links to other workers; 0 for a free one.", DefaultValueFactory = _ => 0 };
        var metricsPort = new Option<int>("--metrics-port") { Description = "Port of /metrics, /healthz and /readyz; 0 for a free one.", DefaultValueFactory = _ => 0 };
        var metricsBind = new Option<string?>("--metrics-bind") { Description = "Address of this machine to serve them at: 0.0.0.0 for all. Default: that of --bind. The coordinator tells Prometheus of this worker only where that is one at which --host is reached." };
        var allowedHosts = AllowHostOption.Create();
        var patience = new Option<double>("--coordinator-timeout") { Description = "Seconds to wait for a coordinator to take this worker in, or to come back.", DefaultValueFactory = _ => 600 };
        foreach (var option in (Option<int>[])[linkPort, metricsPort]) option.Within(0, IPEndPoint.MaxPort);
        patience.Allow(seconds => seconds is > 0 and <= 1_000_000, "above 0, to 1000000");
        var security = new SecurityOptions();
        var memory = MemoryFraction.Option("this worker");
        var withParent = new Option<bool>("--with-parent") { Description = "End when standard input ends; ignore Ctrl-C. For workers that a coordinator starts." };

        var root = new RootCommand("Computes gradients for a coordinator. Example: worker --coordinator 10.0.0.1:4053 --device cuda:0")
        {
            coordinator, device, name, host, bind, dataDir, dataLimit, plugin, linkPort, metricsPort, metricsBind, allowedHosts, security.Certificates, security.TokenFile, security.Insecure, patience, memory, withParent,
        };
        root.SetAction((parsed, _) => WorkerProcess.RunAsync(new()
        {
            Coordinator = parsed.GetRequiredValue(coordinator),
            Device = parsed.GetRequiredValue(device),
            Name = parsed.GetValue(name),
            Host = parsed.GetValue(host),
            Bind = parsed.GetValue(bind),
            DataDirectory = parsed.GetValue(dataDir),
            DataLimit = (long)(parsed.GetValue(dataLimit) * GiB),
            Plugins = parsed.GetValue(plugin) ?? [],
            LinkPort = parsed.GetValue(linkPort),
            MetricsPort = parsed.GetValue(metricsPort),
            MetricsBind = parsed.GetValue(metricsBind),
            AllowedHosts = parsed.GetValue(allowedHosts) ?? [],
            Patience = TimeSpan.FromSeconds(parsed.GetValue(patience)),
            Security = security.Of(parsed),
            MemoryFraction = parsed.GetValue(memory),
            WithParent = parsed.GetValue(withParent),
        }));

        var run = new Option<string>("--run") { Description = "Folder of a finished run.", Required = true };
        var predictDevice = new Option<string>("--device") { Description = device.Description, DefaultValueFactory = _ => "auto" };
        var predict = new Command("predict", "Classifies images whose paths come on standard input, each as a line with a JSON string; answers with a line of JSON each. "
            + "The coordinator's predict uses it. Example: echo '\"three.png\"' | worker predict --run runs/mine")
        {
            run, predictDevice, plugin,
        };
        predict.SetAction(parsed => PredictProcess.Run(parsed.GetRequiredValue(run), parsed.GetRequiredValue(predictDevice), parsed.GetValue(plugin) ?? []));
        root.Add(predict);

        var picture = new Command("picture", "Draws what the model of a finished run makes of test samples: a PNG, to standard output. "
            + "The coordinator's picture uses it. Example: worker picture --run runs/mine > examples.png")
        {
            run, dataDir,
        };
        picture.SetAction(parsed => PictureProcess.Run(parsed.GetRequiredValue(run), parsed.GetValue(dataDir)));
        root.Add(picture);

        var export = new Command("export", "Writes the trained model of a run that began with TorchScript as TorchScript into the run's folder. The coordinator's export uses it.") { run };
        export.SetAction(parsed => ExportProcess.Run(parsed.GetRequiredValue(run)));
        root.Add(export);
        return root;
    }
}
