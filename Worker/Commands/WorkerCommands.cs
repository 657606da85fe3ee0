using System.CommandLine;
using System.Net;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Security;
using Distributed.Jobs.Data;

namespace Distributed.Worker.Commands;

internal static class WorkerCommands
{
    private const double GiB = 1 << 30;

    public static RootCommand Create()
    {
        var device = Device("What to compute with: auto (CUDA where there is one), cpu, cuda:N.");
        var dataDir = new Option<string?>("--data-dir") { Description = "Folder with data sets." };
        var plugin = new Option<string[]>("--plugin")
        {
            Description = "Library (.dll) with models or tasks of your own, which it trusts; may be given more than once.",
            AllowMultipleArgumentsPerToken = false,
            DefaultValueFactory = _ => [],
        };
        var root = Train(device, dataDir, plugin);

        var run = new Option<string>("--run") { Description = "Folder of a finished run.", Required = true };
        var predictDevice = Device(device.Description!);
        var predict = new Command("predict", "Classifies images whose paths come on standard input, each as a line with a JSON string; "
            + "answers with a line of JSON each. The coordinator's predict uses it. "
            + "Example: echo '\"three.png\"' | worker predict --run runs/mine") { run, predictDevice, plugin };
        predict.SetAction(parsed => PredictProcess.Run(
            parsed.GetRequiredValue(run), parsed.GetRequiredValue(predictDevice), parsed.GetValue(plugin) ?? []));
        root.Add(predict);

        var picture = new Command("picture", "Draws the predictions of a finished run's model for test samples: a PNG, to standard output. "
            + "The coordinator's picture uses it. Example: worker picture --run runs/mine > examples.png") { run, dataDir };
        picture.SetAction(parsed => PictureProcess.Run(parsed.GetRequiredValue(run), parsed.GetValue(dataDir)));
        root.Add(picture);

        var export = new Command("export", "Writes the trained model of a run that began with TorchScript as TorchScript into the run's "
            + "folder. The coordinator's export uses it.") { run };
        export.SetAction(parsed => ExportProcess.Run(parsed.GetRequiredValue(run)));
        root.Add(export);
        return root;
    }

    private static RootCommand Train(Option<string> device, Option<string?> dataDir, Option<string[]> plugin)
    {
        var coordinator = new Option<string>("--coordinator") { Description = "Address of the coordinator, HOST:PORT.", Required = true };
        var name = Text("--name", "Name of this worker in plans, logs and metrics. Default: the machine's name and the process id.");
        var host = Text("--host", "Address at which the coordinator reaches this worker. "
            + "Default: the one from which this machine reaches the coordinator.");
        var bind = Text("--bind", "Address of this machine to listen at: 0.0.0.0 for all. Default: that of --host.");
        var dataLimit = new Option<double>("--data-limit")
        {
            Description = "Largest data set, in GiB, that this worker accepts from the coordinator into its cache; 0 accepts none.",
            DefaultValueFactory = _ => DataOptions.DefaultDeliveryLimit / GiB,
        };
        dataLimit.Allow(limit => limit is >= 0 and <= 1_000_000, "0 to 1000000");
        var linkPort = Port("--link-port", "the links to other workers");
        var metricsPort = Port("--metrics-port", "/metrics, /healthz and /readyz");
        var metricsBind = Text("--metrics-bind", "Address of this machine to serve them at: 0.0.0.0 for all. Default: that of --bind. "
            + "The coordinator tells Prometheus of this worker only if --host reaches that address.");
        var allowedHosts = AllowHostOption.Create();
        var timeout = new Option<double>("--coordinator-timeout")
        {
            Description = "Seconds to wait until a coordinator accepts this worker, or until it comes back.",
            DefaultValueFactory = _ => 600,
        };
        timeout.Allow(seconds => seconds is > 0 and <= 1_000_000, "above 0, to 1000000");
        var security = new SecurityOptions();
        var memory = MemoryFraction.Option("this worker");
        var withParent = new Option<bool>("--with-parent")
        {
            Description = "End when standard input ends; ignore Ctrl-C. For workers that a coordinator starts.",
        };

        var root = new RootCommand("Computes gradients for a coordinator. Example: worker --coordinator 10.0.0.1:4053 --device cuda:0")
        {
            coordinator, device, name, host, bind, dataDir, dataLimit, plugin, linkPort, metricsPort, metricsBind, allowedHosts,
            security.Certificates, security.TokenFile, security.Insecure, timeout, memory, withParent,
        };
        root.SetAction((parsed, _) => WorkerProcess.RunAsync(new(
            Coordinator: parsed.GetRequiredValue(coordinator),
            Device: parsed.GetRequiredValue(device),
            Name: parsed.GetValue(name),
            Host: parsed.GetValue(host),
            Bind: parsed.GetValue(bind),
            DataDirectory: parsed.GetValue(dataDir),
            DataLimit: (long)(parsed.GetValue(dataLimit) * GiB),
            Plugins: parsed.GetValue(plugin) ?? [],
            LinkPort: parsed.GetValue(linkPort),
            MetricsPort: parsed.GetValue(metricsPort),
            MetricsBind: parsed.GetValue(metricsBind),
            AllowedHosts: parsed.GetValue(allowedHosts) ?? [],
            MemoryFraction: parsed.GetValue(memory),
            Timeout: TimeSpan.FromSeconds(parsed.GetValue(timeout)),
            Security: security.Of(parsed),
            WithParent: parsed.GetValue(withParent))));
        return root;
    }

    private static Option<string> Device(string description) =>
        new("--device") { Description = description, DefaultValueFactory = _ => "auto" };

    private static Option<string?> Text(string name, string description) => new(name) { Description = description };

    private static Option<int> Port(string name, string purpose)
    {
        var option = new Option<int>(name) { Description = $"Port of {purpose}; 0 for a free one.", DefaultValueFactory = _ => 0 };
        option.Within(0, IPEndPoint.MaxPort);
        return option;
    }
}
