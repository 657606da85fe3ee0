using System.CommandLine;
using System.Net;
using Distributed.Coordinator.Cluster;
using Distributed.Coordinator.Observers;
using Distributed.Hosting.Processes;
using Distributed.Hosting.Security;

namespace Distributed.Coordinator.Commands;

/// <summary>What the coordinator's program can be told to do.</summary>
internal static class CoordinatorCommands
{
    /// <summary>All commands, for the command line.</summary>
    public static RootCommand Create()
    {
        var job = new Argument<string?>("JOB.yaml") { Description = "Job file. Default: the embedded digits job.", Arity = ArgumentArity.ZeroOrOne };
        var workers = new Option<int>("--workers") { Description = "Worker processes to start on this machine; 0 waits for workers that join from elsewhere.", DefaultValueFactory = _ => 2 };
        var minWorkers = new Option<int>("--min-workers") { Description = "Workers that training needs.", DefaultValueFactory = _ => 1 };
        var maxRestarts = new Option<int>("--max-restarts") { Description = "How often in all the started workers may be started again when they are killed, crash, or fail after they have taken part; a worker that fails before is not. The pause before it is 1 s and doubles with each restart of the same worker, up to 1 minute. 0: never.", DefaultValueFactory = _ => RestartPolicy.Default };
        var run = new Option<string?>("--run") { Description = "Folder for what the run leaves. Default: runs/TIME-JOB." };
        var resume = new Option<bool>("--resume") { Description = "Go on with the run in the folder that --run names, whose coordinator has ended; workers that are left are taken over." };
        var resumeIfBegun = new Option<bool>("--resume-if-begun") { Description = "For whatever starts this command again and again: begins the run in the folder that --run names where there is none, goes on with one that was begun, and leaves a finished one as it is (exit code 0). SIGTERM leaves the workers to the next coordinator." };
        var init = new Option<string?>("--init") { Description = "Safetensors file with the parameters to begin with, named like PyTorch's state_dict, instead of those drawn from the seed." };
        var initStrict = new Option<bool>("--init-strict") { Description = "Whether that file must hold exactly the tensors of the model; with false, what fits is taken, and what does not is listed.", DefaultValueFactory = _ => true };
        var overwrite = new Option<bool>("--overwrite") { Description = "Replace the run that the folder holds." };
        var set = new Option<string[]>("--set") { Description = "Override a key of the job: --set optimizer.learning-rate=0.1", AllowMultipleArgumentsPerToken = false, DefaultValueFactory = _ => [] };
        var device = new Option<string>("--device") { Description = "What the started workers compute with: auto, cpu, cuda:N.", DefaultValueFactory = _ => "auto" };
        var dataDir = new Option<string?>("--data-dir") { Description = "Folder with data sets, for the started workers and to send to those that have none." };
        var deliverFrom = new Option<string[]>("--deliver-from") { Description = "Folder that links in the data may lead to where it is sent to workers that have none; may be given more than once. Other links out of the data folder are not followed there.", AllowMultipleArgumentsPerToken = false, DefaultValueFactory = _ => [] };
        var memory = MemoryFraction.Option("the started workers together");
        var plugin = PluginOption.Create();
        var host = new Option<string>("--host") { Description = "Address of this machine that workers reach it at.", DefaultValueFactory = _ => "127.0.0.1" };
        var bind = new Option<string?>("--bind") { Description = "Address of this machine to listen at: 0.0.0.0 for all. Default: that of --host." };
        var port = new Option<int>("--port") { Description = "Port of the control plane; 0 for a free one.", DefaultValueFactory = _ => 0 };
        var linkPort = new Option<int>("--link-port") { Description = "Port of the tensor links; 0 for a free one.", DefaultValueFactory = _ => 0 };
        var metricsPort = new Option<int>("--metrics-port") { Description = "Port of /metrics, /healthz and /readyz; 0 for a free one.", DefaultValueFactory = _ => 0 };
        var page = new PageOptions();
        var security = new SecurityOptions();
        var stay = new Option<bool>("--stay") { Description = "Once the run is finished, show it on the live page until told to stop." };
        var chaos = new Option<string?>("--chaos") { Description = "Check the job under faults, on this machine: kill-worker@30,freeze-worker@60:5s,join@80,drain@90,kill-all-workers@95,restart-coordinator@100 (the numbers are training steps) or random:SEED:COUNT. The check starts its workers itself, since they outlive the coordinator, and others in their place: --max-restarts has no part in it. Exit code 0: the result is that of an undisturbed run, bit for bit." };
        workers.Within(0, 1024);
        minWorkers.Within(1, 1024);
        maxRestarts.Within(0, RestartPolicy.Most);
        foreach (var option in (Option<int>[])[port, linkPort, metricsPort]) option.Within(0, IPEndPoint.MaxPort);
        // What looks like an option and is none would be taken for the job file.
        job.Validators.Add(result =>
        {
            if (result.Tokens.FirstOrDefault(token => token.Value.StartsWith('-')) is { } unknown)
                result.AddError($"{unknown.Value} is no option of train; --help lists them");
        });

        var train = new Command("train", "Trains a model. Example: train jobs/digits.yaml --workers 4 --set epochs=5")
        {
            job, workers, minWorkers, maxRestarts, run, resume, resumeIfBegun, init, initStrict, overwrite, set, device, dataDir, deliverFrom, memory, plugin, host, bind, port, linkPort, metricsPort, security.Certificates, security.TokenFile, security.Insecure, stay, chaos,
        };
        foreach (var option in page.All) train.Add(option);
        train.SetAction((parsed, _) => RunAsync(parsed.GetValue(chaos), new()
        {
            JobFile = parsed.GetValue(job),
            Workers = parsed.GetValue(workers),
            MinWorkers = parsed.GetValue(minWorkers),
            MaxRestarts = parsed.GetValue(maxRestarts),
            Run = parsed.GetValue(run),
            Resume = parsed.GetValue(resume),
            ResumeIfBegun = parsed.GetValue(resumeIfBegun),
            Init = parsed.GetValue(init),
            IsInitStrict = parsed.GetValue(initStrict),
            Overwrite = parsed.GetValue(overwrite),
            Overrides = parsed.GetValue(set) ?? [],
            Device = parsed.GetRequiredValue(device),
            DataDirectory = parsed.GetValue(dataDir),
            DeliverFrom = parsed.GetValue(deliverFrom) ?? [],
            MemoryFraction = parsed.GetValue(memory),
            Plugins = PluginOption.Paths(parsed.GetValue(plugin)),
            Host = parsed.GetRequiredValue(host),
            Bind = parsed.GetValue(bind),
            Port = parsed.GetValue(port),
            LinkPort = parsed.GetValue(linkPort),
            MetricsPort = parsed.GetValue(metricsPort),
            Page = page.Of(parsed),
            Security = security.Of(parsed),
            Stay = parsed.GetValue(stay),
        }));

        var ofRun = new Option<string>("--run") { Description = "Folder of the run.", Required = true };
        var drained = new Argument<string[]>("WORKER") { Description = "Workers, by their names in plans and logs.", Arity = ArgumentArity.OneOrMore };
        var drain = new Command("drain", "Lets workers of a run go in good order, and waits until they have gone. Example: drain --run runs/mine worker-2") { ofRun, drained };
        drain.SetAction((parsed, _) => DrainCommand.RunAsync(parsed.GetRequiredValue(ofRun), parsed.GetRequiredValue(drained)));

        return new("Trains models on a cluster whose size, growth and failures do not change a bit of the result.") { train, EvaluateCommand.Create(), PredictCommand.Create(), PictureCommand.Create(), InspectCommand.Create(), ExportCommand.Create(), CompareCommand.Create(), ShowCommand.Create(), CertsCommand.Create(), TokenCommand.Create(), drain };
    }

    private static Task<int> RunAsync(string? plan, TrainArguments arguments) => plan is null ? TrainCommand.RunAsync(arguments) : ChaosCommand.RunAsync(plan, arguments);
}
