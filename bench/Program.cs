using System.CommandLine;
using Distributed.Bench;
using Distributed.Bench.AllReduce;
using Distributed.Bench.Micro;
using Distributed.Bench.Simulation;
using Distributed.Bench.Training;
using Distributed.Coordinator.Chaos;
using Distributed.Hosting.Processes;

var json = new Option<string?>("--json") { Description = "File for the rows as JSON." };
var only = new Option<string?>("--only") { Description = "Regular expression of the measures to take, such as \"step cnn\"." };
var repetitions = new Option<int>("--repetitions")
{
    Description = "Repetitions of each measure, of which the median counts.",
    DefaultValueFactory = _ => 5,
};
var topology = new Option<string>("--topology") { Description = "Topology of the jobs.", DefaultValueFactory = _ => "mesh" };
var python = new Option<string>("--python")
{
    Description = "A Python with torch, for the peer.",
    DefaultValueFactory = _ => "/usr/bin/python3",
};
repetitions.Validators.Add(result =>
{
    if (result.GetValueOrDefault<int>() is var value and (< 1 or > 1000)) result.AddError($"--repetitions is {value}; allowed: 1 to 1000");
});
var peers = new Command("peers", "Measures the project, PyTorch DDP over Gloo and the plain TorchSharp loop.")
{
    json, only, repetitions, topology, python,
};
peers.SetAction((parsed, _) => PeersCommand.RunAsync(new(
    parsed.GetValue(json), parsed.GetValue(only), parsed.GetValue(repetitions), parsed.GetRequiredValue(topology),
    parsed.GetRequiredValue(python))));

var micro = new Command("micro", "Micro-benchmarks; takes the options of BenchmarkDotNet, such as --filter \"*Sgd*\".")
{
    TreatUnmatchedTokensAsErrors = false,
};
micro.SetAction(parsed => MicroCommand.Run([.. parsed.UnmatchedTokens]));

var workers = new Option<string>("--workers")
{
    Description = "Numbers of simulated workers, separated by commas.",
    DefaultValueFactory = _ => "10,100,1000",
};
var simulate = new Command("simulate", "CPU time of the coordinator's decisions and records for simulated workers.") { workers };
simulate.SetAction(parsed => SimulateCommand.Run(parsed.GetRequiredValue(workers)));

var job = new Option<string>("--job") { Description = "Job file.", Required = true };
var epochs = new Option<int>("--epochs") { Description = "Epochs of the run.", DefaultValueFactory = _ => 1 };
var batch = new Option<int>("--batch") { Description = "Samples of a step.", Required = true };
var passes = new Option<int>("--passes") { Description = "Equal parts that a step splits its batch into.", DefaultValueFactory = _ => 1 };
var dataDir = new Option<string>("--data-dir") { Description = "Folder with data sets.", Required = true };
var plain = new Command("plain-loop", "Trains a job with a plain TorchSharp loop.") { job, epochs, batch, passes, dataDir };
plain.SetAction(parsed => PlainLoop.Run(
    parsed.GetRequiredValue(job), parsed.GetValue(epochs), parsed.GetValue(batch), parsed.GetValue(passes),
    parsed.GetRequiredValue(dataDir)));

var rank = new Option<int>("--rank") { Description = "Rank of this process, from 0.", Required = true };
var world = new Option<int>("--world") { Description = "Number of ranks.", Required = true };
var floats = new Option<int>("--floats") { Description = "Length of the vector.", Required = true };
var rounds = new Option<int>("--rounds") { Description = "Number of reductions; the second half is measured.", Required = true };
var rendezvous = new Option<string>("--rendezvous") { Description = "Folder where the ranks publish their ports.", Required = true };
var tcp = new Option<bool>("--tcp") { Description = "Use TCP instead of shared memory." };
var allReduceRank = new Command("allreduce-rank", "One rank of an all-reduce.") { rank, world, floats, rounds, rendezvous, tcp };
allReduceRank.SetAction(parsed => RankProgram.Run(new(
    parsed.GetValue(rank), parsed.GetValue(world), parsed.GetValue(floats), parsed.GetValue(rounds),
    parsed.GetRequiredValue(rendezvous), parsed.GetValue(tcp))));

var faults = new Option<int>("--faults") { Description = "Number of faults.", DefaultValueFactory = _ => 300 };
var seed = new Option<long>("--seed") { Description = "The same seed gives the same faults.", DefaultValueFactory = _ => 1 };
faults.Validators.Add(result =>
{
    if (result.GetValueOrDefault<int>() is var value && (value < 1 || value > ChaosPlan.MaxCount))
        result.AddError($"--faults is {value}; allowed: 1 to {ChaosPlan.MaxCount}");
});
var chaos = new Command("chaos", "Trains digits twice, once under random faults, and compares the bits.") { faults, seed, topology };
chaos.SetAction((parsed, _) =>
    ChaosCheckCommand.RunAsync(parsed.GetValue(faults), parsed.GetValue(seed), parsed.GetRequiredValue(topology)));

var root = new RootCommand("Measures the project. Example: peers --only \"step cnn\" --repetitions 3")
{
    peers, micro, simulate, chaos, plain, allReduceRank,
};
return await CommandLine.RunAsync(root, args);
